import { isIP } from "node:net";
import { hostname } from "node:os";

/**
 * By which names a browser may know a supernode: addresses, `localhost`, this host's own name and those that are
 * configured. By any other a page of another site has its own name lead here (DNS rebinding), and then counts for the
 * browser as one of ours.
 */
export class OurNames {
  readonly #names: ReadonlySet<string>;

  /**
   * @param configured host names, in any case
   * @param own this host's name
   */
  constructor(configured: readonly string[], own = hostname()) {
    // A name below another domain that begins like ours is somebody else's.
    const names = ["localhost", own, own.split(".", 1)[0]!, ...configured];
    this.#names = new Set(names.map((name) => name.toLowerCase()));
  }

  /** @param host a request's header `Host` */
  include(host: string): boolean {
    const named = hostOf(host);
    return named !== undefined && (isIP(named) > 0 || this.#names.has(named));
  }
}

/** The name or address in a `Host` header, in lower case. */
export function hostOf(header: string): string | undefined {
  const url = `http://${header}`;
  if (!URL.canParse(url)) return undefined;
  return new URL(url).hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

/** Whether a browser says that a page of another site has made it send this. Programs say nothing. */
export function isFromElsewhere({
  host,
  origin,
}: {
  host: string;
  origin?: string | undefined;
}): boolean {
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase();
}
