import { lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { redactUrl } from "./redact_url.ts";

/** Whom a client may ask. */
export interface RequestGuard {
  /** Why this URL is not to be asked, or nothing; redirects are looked at like the first URL. */
  refuseUrl(url: URL): string | undefined;
  /** Why this address is not to be connected to, or nothing; looked at once a name has been resolved. */
  refuseAddress(address: string): string | undefined;
}

/** A request that the client's guard does not let out. */
export class ForbiddenError extends Error {
  override name = "ForbiddenError";
}

export function forbidden(target: URL, reason: string): ForbiddenError {
  return new ForbiddenError(`${redactUrl(target.href)}: ${reason}`);
}

/**
 * The server that a URL names, and the name or address to connect to.
 *
 * @param hostAliases addresses to use instead of what the resolver says for a host name
 * @throws {ForbiddenError} where the guard refuses already what can be seen before a name is resolved
 */
export function serverOf(
  target: URL,
  hostAliases: Readonly<Record<string, string>>,
  guard: RequestGuard | undefined,
): { name: string; host: string } {
  const name = target.hostname.replace(/^\[|\]$/g, "");
  const host = hostAliases[name] ?? name;
  const refused = guard?.refuseUrl(target) ?? (isIP(host) ? guard?.refuseAddress(host) : undefined);
  if (refused) throw forbidden(target, refused);
  return { name, host };
}

/** Resolves names to those of their addresses that the guard lets through: these are connected to. */
export function guardedLookup(guard: RequestGuard): LookupFunction {
  return (name, options, done) => {
    lookup(name, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, "", 0);
      const good = addresses.filter(({ address }) => !guard.refuseAddress(address));
      const [first] = good;
      if (!first) {
        const reason = guard.refuseAddress(addresses[0]?.address ?? "") ?? "no address";
        return done(new ForbiddenError(reason), "", 0);
      }
      if (options.all) done(null, good);
      else done(null, first.address, first.family);
    });
  };
}
