import { Hono } from "hono";
import { answerUnknownPaths } from "../../runtime/unknown_paths.ts";
import type { Catalog } from "../store/catalog.ts";
import { type HostLimit, localControl } from "./local_control.ts";
import { plainText } from "./plain_text.ts";
import { sendPiece } from "./send_piece.ts";
import { V1Version } from "./v1_version.ts";

export interface PeerServerOptions {
  catalog: Catalog;
  limit: HostLimit;
  /** Told of each request, for the idle clock. */
  onRequest?: () => void;
  /** Told of bytes handed to other peers. */
  onServed?: ((bytes: number) => void) | undefined;
}

const PREFIX = "/peer/file/";

/** The peer server's routes (protocol §2). */
export function peerServerApp(options: PeerServerOptions): Hono {
  const { catalog } = options;
  const app = new Hono();
  const v1Version = new V1Version();
  app.use(async (_c, next) => {
    options.onRequest?.();
    await next();
  });

  app.get(`${PREFIX}:name{.+}`, async (c) => {
    const url = new URL(c.req.url);
    const name = safeDecode(url.pathname.slice(PREFIX.length));
    // v1 names files after URLs, query included.
    const entry = catalog.get(name) ?? catalog.get(name + url.search);
    if (!entry) return plainText(500, `failed to get taskPath: ${name}`);
    entry.touchedMs = Date.now();
    v1Version.heard(c.req.raw.headers.get("user-agent"));
    const response = await sendPiece(catalog, entry, c.req.raw.headers);
    if (response.status === 206) {
      options.onServed?.(Number(response.headers.get("content-length")));
    }
    return response;
  });

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
