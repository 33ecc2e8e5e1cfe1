import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { Hono } from "hono";
import { MAX_PIECE_SIZE } from "../../protocol/piece_size.ts";
import { MOST_BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { isMissing } from "../../runtime/config_file.ts";
import { HeldBytes } from "../../runtime/held_bytes.ts";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import { startSpan } from "../../runtime/tracing/tracing.ts";
import type { SupernodeObserver } from "../observer.ts";
import type { SeedCache } from "../seed/cache.ts";
import type { PathPass } from "../seed/path_pass.ts";
import type { ReadAhead } from "../seed/read_ahead.ts";
import { readCopy } from "./read_copy.ts";
import { sendBare } from "./send_bare.ts";

export interface FilePortOptions {
  cache: SeedCache;
  passes: PathPass;
  observer: SupernodeObserver;
  /** Absent: no copy is held back. */
  readAhead?: ReadAhead | undefined;
  /** What all answers together may hold in memory. Default: {@link MOST_HELD}. */
  held?: HeldBytes;
}

/** Bytes read ahead of clients at most: a thousand that read nothing would else hold a piece each. */
const MOST_HELD = 256 * 1024 * 1024;

/**
 * The supernode's copies as static files with Range support (protocol §2), for those who were told where
 * they are: v1's path, which follows from the task's id, has a pass at its end. Our own nodes ask for bytes
 * of the file itself, with the header by which peers are asked for bare pieces.
 */
export function filePortRoutes({
  cache,
  passes,
  observer,
  readAhead,
  held = new HeldBytes(MOST_HELD),
}: FilePortOptions): Hono<{ Bindings: Partial<ConnectionEnv> }> {
  const app = new Hono<{ Bindings: Partial<ConnectionEnv> }>();

  // The pattern leaves no way out of the cache, nor to its indexes.
  app.get("/download/:prefix{[0-9a-f]{3}}/:taskId{[0-9a-f]{64}}/:pass", async (c) => {
    const { prefix, taskId, pass } = c.req.param();
    if (!taskId.startsWith(prefix) || !passes.accepts(taskId, pass)) return c.notFound();
    traceAnswer(c.req.header("traceparent"), c.env?.outgoing, taskId);
    let file: FileHandle;
    try {
      file = await cache.open(taskId);
    } catch (error) {
      if (isMissing(error)) return c.notFound();
      throw error;
    }
    let handedOver = false;
    try {
      if (c.req.header("cdnsource")?.toLowerCase() === "source") {
        // Before the index is read: it may be complete a moment later.
        const growing = readAhead?.copies.follow(taskId);
        const copy = await cache.read(taskId);
        // It is being dropped, say for want of room: nobody knows any more whether its pieces are framed.
        if (!copy) return c.notFound();
        if (copy.framed || growing) {
          const response = sendBare(file, copy, {
            range: c.req.header("range"),
            growing,
            isCrowded: !held.take(MOST_BLOCK_BYTES, c.env?.outgoing),
          });
          if (response.status === 206) {
            observer.bytesServed(Number(response.headers.get("content-length")));
            handedOver = true;
          }
          return response;
        }
      }
      const { size, mtime } = await file.stat();
      const headers: Record<string, string> = {
        "content-type": "application/octet-stream",
        "accept-ranges": "bytes",
        "last-modified": mtime.toUTCString(),
        // As nginx writes it, which v1 leaves this port to.
        etag: `"${Math.floor(mtime.getTime() / 1000).toString(16)}-${size.toString(16)}"`,
      };
      const range = parseRangeHeader(c.req.header("range"), size);
      if (range.kind === "unsatisfiable")
        return new Response(null, { status: 416, headers: { "content-range": `bytes */${size}` } });
      const start = range.kind === "part" ? range.start : 0;
      const length = range.kind === "part" ? range.end - range.start + 1 : size;
      const status = range.kind === "part" ? 206 : 200;
      if (range.kind === "part")
        headers["content-range"] = `bytes ${range.start}-${range.end}/${size}`;
      headers["content-length"] = String(length);
      if (c.req.method === "HEAD") return new Response(null, { status, headers });
      observer.bytesServed(length);
      // Pieces are what this port is asked for: they are read in one go.
      if (length <= MAX_PIECE_SIZE && held.take(length, c.env?.outgoing)) {
        const piece = new Uint8Array(length);
        await readCopy(file, piece, start);
        return new Response(piece, { status, headers });
      }
      handedOver = true;
      const stream = file.createReadStream({ start, end: start + length - 1, autoClose: true });
      return new Response(Readable.toWeb(stream) as ReadableStream, { status, headers });
    } finally {
      if (!handedOver) await file.close();
    }
  });
  return app;
}

/** The copy's part in the trace of whoever asks for a stretch of it. */
function traceAnswer(
  traceparent: string | undefined,
  outgoing: ConnectionEnv["outgoing"] | undefined,
  taskId: string,
): void {
  if (traceparent === undefined || !outgoing) return;
  const attributes = { "dragonfly.task": taskId };
  const span = startSpan("serve copy", { kind: "server", parent: traceparent, attributes });
  outgoing.once("close", () => {
    span.set({ "http.response.status_code": outgoing.statusCode });
    span.end();
  });
}
