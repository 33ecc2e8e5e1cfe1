import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
import { getLogger } from "../../runtime/logger.ts";
import { type RateLimit, RateLimiter } from "../../runtime/rate_limit/rate_limiter.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import { traceparentOf } from "../../runtime/tracing/tracing.ts";
import { logUnforeseen } from "../../runtime/unforeseen_error.ts";
import { answerUnknownPaths } from "../../runtime/unknown_paths.ts";
import type { Catalog, CatalogEntry } from "../store/catalog.ts";
import type { SwarmSessions } from "../swarm/swarm_sessions.ts";
import { entryAt } from "./entry_at.ts";
import { haveRoutes } from "./have_routes.ts";
import { type HostLimit, localControl } from "./local_control.ts";
import { plainText } from "./plain_text.ts";
import { sendPiece } from "./send_piece.ts";
import { TracedServing } from "./traced_serving.ts";
import { Uplink } from "./uplink.ts";
import { V1Version } from "./v1_version.ts";

export interface PeerServerOptions {
  catalog: Catalog;
  limit: HostLimit;
  /** On what all other peers together are given; each file gets the same. Default: none. */
  upload?: RateLimiter | undefined;
  /** Told of each request, for the idle clock. */
  onRequest?: () => void;
  /** Told of a file that was found to be not on disk what it was: nobody must be given more of it. */
  onDamaged?: ((entry: CatalogEntry) => void) | undefined;
  /** Told of bytes handed to other peers. */
  onServed?: ((bytes: number) => void) | undefined;
  /** Our own swarms; absent: v1's routes only. */
  swarms?: SwarmSessions | undefined;
}

type Env = { Bindings: Partial<ConnectionEnv> };

const PREFIX = "/peer/file/";

const log = getLogger("dfserver");

/** The peer server's routes (protocol §2). */
export function peerServerApp(options: PeerServerOptions): Hono<Env> {
  const { catalog, swarms, upload = new RateLimiter(0) } = options;
  const app = new Hono<Env>();
  const v1Version = new V1Version();
  const uplink = new Uplink(() => performance.now());
  const traced = new TracedServing();
  const limits = new WeakMap<CatalogEntry, RateLimit>();
  // Before the clock: a look whether it is well is no use of it.
  for (const path of ["/healthz", "/readyz"]) app.get(path, () => plainText(200, "ok"));
  app.use(async (_c, next) => {
    options.onRequest?.();
    await next();
  });

  app.get(`${PREFIX}:name{.+}`, async (c) => {
    const url = new URL(c.req.url);
    const name = safeDecode(url.pathname.slice(PREFIX.length));
    const entry = entryAt(catalog, name, url.search, performance.now());
    // v1 says 500; at 404 its clients tell the supernode that the file is gone, which is so.
    if (!entry) return plainText(404, "no such file here");
    entry.touchedMs = Date.now();
    const { incoming, outgoing } = c.env;
    if (!incoming || !outgoing) return plainText(500, "no connection to answer on");
    v1Version.heard(incoming.headers["user-agent"]);
    const limit = limits.get(entry) ?? upload.share();
    limits.set(entry, limit);
    const sent = await sendPiece(catalog, entry, incoming.headers, outgoing, limit, () =>
      options.onDamaged?.(entry),
    );
    if (typeof sent !== "number") return sent;
    options.onServed?.(sent);
    if (entry.file) entry.file.servedBytes += sent;
    const about = { "dragonfly.task": entry.taskId };
    traced.serves(traceparentOf(incoming.headers), outgoing, sent, about);
    // One who has hung up meanwhile is not waited for.
    if (!outgoing.closed) outgoing.once("close", uplink.begin(sent));
    return RESPONSE_ALREADY_SENT;
  });
  if (swarms) app.route("/", haveRoutes(catalog, swarms, uplink, traced));

  app.route("/", localControl(catalog, options.limit, v1Version));
  answerUnknownPaths(app);
  app.onError((error, c) => {
    logUnforeseen(log, c.req, error);
    return plainText(500, "internal error");
  });
  return app;
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
