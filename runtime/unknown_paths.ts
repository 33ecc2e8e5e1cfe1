import type { Env, Hono } from "hono";

/** Spelled as Go spells it. */
const PLAIN = { "content-type": "text/plain; charset=utf-8" };

/** Has an app answer unknown paths as Go's router does: 405 for a known path asked in another way, else 404. */
export function answerUnknownPaths<E extends Env>(app: Hono<E>): void {
  const answers = (method: string, path: string) =>
    // What all methods share is a middleware.
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method);
  app.notFound((c) => {
    const { method, path } = c.req;
    const others = answers(method, path) ? [] : ["GET", "POST", "DELETE"];
    return others.some((other) => answers(other, path))
      ? c.body(null, 405, { "content-length": "0" })
      : c.text("404 page not found\n", 404, PLAIN);
  });
}
