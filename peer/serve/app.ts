import { Hono } from "hono";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import { answerUnknownPaths } from "../../runtime/unknown_paths.ts";
import type { Catalog } from "../store/catalog.ts";
import type { SwarmSessions } from "../swarm/swarm_sessions.ts";
import { haveRoutes } from "./have_routes.ts";
import { type HostLimit, localControl } from "./local_control.ts";
import { plainText } from "./plain_text.ts";
import { sendPiece } from "./send_piece.ts";
import { Uplink } from "./uplink.ts";
import { V1Version } from "./v1_version.ts";

export interface PeerServerOptions {
  catalog: Catalog;
  limit: HostLimit;
  /** Told of each request, for the idle clock. */
  onRequest?: () => void;
  /** Told of bytes handed to other peers. */
  onServed?: ((bytes: number) => void) | undefined;
  /** Our own swarms; absent: v1's routes only. */
  swarms?: SwarmSessions | undefined;
}

type Env = { Bindings: Partial<ConnectionEnv> };

const PREFIX = "/peer/file/";

/** The peer server's routes (protocol §2). */
export function peerServerApp(options: PeerServerOptions): Hono<Env> {
  const { catalog, swarms } = options;
  const app = new Hono<Env>();
  const v1Version = new V1Version();
  const uplink = new Uplink(() => performance.now());
  app.use(async (_c, next) => {
    options.onRequest?.();
    await next();
  });

  app.get(`${PREFIX}:name{.+}`, async (c) => {
    const url = new URL(c.req.url);
    const name = safeDecode(url.pathname.slice(PREFIX.length));
    // v1 names files after URLs, query included.
    const entry = catalog.get(name) ?? catalog.get(name + url.search);
    // v1 says 500; at 404 its clients tell the supernode that the file is gone, which is so.
    if (!entry) return plainText(404, "no such file here");
    entry.touchedMs = Date.now();
    v1Version.heard(c.req.raw.headers.get("user-agent"));
    const { outgoing } = c.env;
    const response = await sendPiece(catalog, entry, c.req.raw.headers, outgoing);
    if (response.status === 206) {
      const bytes = Number(response.headers.get("content-length"));
      options.onServed?.(bytes);
      // One who has hung up meanwhile is not waited for.
      if (outgoing && !outgoing.closed) outgoing.once("close", uplink.begin(bytes));
    }
    return response;
  });
  if (swarms) app.route("/", haveRoutes(catalog, swarms, uplink));

  app.route("/", localControl(catalog, options.limit, v1Version));
  answerUnknownPaths(app);
  app.onError(() => plainText(500, "internal error"));
  return app;
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
