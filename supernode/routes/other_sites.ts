import type { MiddlewareHandler } from "hono";
import { isFromElsewhere, type OurNames } from "../our_names.ts";

/**
 * Refuses what a page of another site has a browser send, be it by a name of its own that leads here: only reading is
 * left to it. A browser says with each request that changes something which page sends it; programs say nothing.
 */
export function refuseOtherSites(names: OurNames): MiddlewareHandler {
  return async (c, next) => {
    if (c.req.method === "GET" || c.req.method === "HEAD") return next();
    const { host = "", origin } = c.req.header();
    if (origin === undefined || (names.include(host) && !isFromElsewhere({ host, origin })))
      return next();
    return c.json({ code: 403, message: "this request comes from a page of another site" }, 403);
  };
}
