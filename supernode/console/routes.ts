import { type Context, Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import * as z from "zod";
import { preheatRequestSchema } from "../../protocol/v1/preheat.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import { parseImageUrl } from "../preheat/image.ts";
import { BodyError, readJson } from "../routes/request_body.ts";
import type { ConsoleAccess, Visitor } from "./access.ts";
import { type Feed, MOST_VIEWERS } from "./feed.ts";
import { pageFile } from "./page_files.ts";

type Env = { Bindings: Partial<ConnectionEnv> };

export interface ConsoleOptions {
  access: ConsoleAccess;
  feed: Feed;
  /** Whether no new work is taken. */
  isDraining(): boolean;
  /** Starts a preheat; returns its id. */
  preheat(request: z.output<typeof preheatRequestSchema>): string;
}

const MAX_BODY_BYTES = 64 * 1024;
/** What only our own page sends: a form of another site cannot. */
const OWN_HEADER = "x-dragonfly-console";

/** The console: its page, its events, and the one thing that it can have done (docs/console.md). */
export function consoleRoutes({ access, feed, isDraining, preheat }: ConsoleOptions): Hono<Env> {
  const app = new Hono<Env>().basePath("/console");

  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'none'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
      referrerPolicy: "no-referrer",
      xFrameOptions: "DENY",
      // The supernode may be reached without TLS, and is no place to decide that for its host.
      strictTransportSecurity: false,
    }),
  );
  app.use(async (c, next) => {
    const isChange = !["GET", "HEAD"].includes(c.req.method);
    const who = visitor(c);
    const refusal = isChange ? access.refusalOfChange(who) : access.refusal(who);
    return refusal === undefined ? next() : c.text(`${refusal}\n`, 403);
  });

  for (const [path, name] of [
    ["/", "index.html"],
    ["/page.js", "page.js"],
    ["/page.css", "page.css"],
    ["/icon.svg", "icon.svg"],
  ] as const) {
    app.get(path, async (c) => {
      const file = await pageFile(name);
      if (file === undefined)
        return c.text("the console's page is not built: run `npm run build`\n", 503);
      return c.body(file.text, 200, { "content-type": file.type, "cache-control": "no-cache" });
    });
  }

  app.get("/events", (c) => {
    const stream = feed.open();
    if (!stream) return c.text(`${MOST_VIEWERS} look already, more cannot\n`, 503);
    return c.body(stream, 200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      // A proxy in front must not gather events.
      "x-accel-buffering": "no",
    });
  });

  app.post("/preheats", async (c) => {
    if (c.req.header(OWN_HEADER) === undefined)
      return c.json({ message: `the header ${OWN_HEADER} is missing` }, 403);
    if (isDraining())
      return c.json({ message: "this supernode is draining: it takes no new work" }, 503);
    const request = preheatRequestSchema.safeParse(await readJson(c, MAX_BODY_BYTES));
    if (!request.success) return c.json({ message: z.prettifyError(request.error) }, 400);
    const { type, url } = request.data;
    if (type === "image" && !parseImageUrl(url))
      return c.json({ message: "an image's URL is scheme://host/v2/<name>/manifests/<ref>" }, 400);
    return c.json({ id: preheat(request.data) }, 201);
  });

  app.onError((error, c) => {
    if (!(error instanceof BodyError)) throw error;
    return c.json({ message: error.message }, error.status);
  });
  return app;
}

function visitor(c: Context<Env>): Visitor {
  const { remoteAddress = "", localAddress } = c.env?.incoming?.socket ?? {};
  const host = c.req.header("host") ?? "";
  return { remote: remoteAddress, local: localAddress, host, origin: c.req.header("origin") };
}
