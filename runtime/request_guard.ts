import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";
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
