import type { Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
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
import { type BareRequest, bareAnswer } from "./bare_answer.ts";
import { beyondTheEnd, type CopyAnswer, sendCopy } from "./send_copy.ts";

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
    const { outgoing } = c.env ?? {};
    let handedOver = false;
    try {
      const gone = new AbortController();
      outgoing?.once("close", () => gone.abort());
      const request = {
        range: c.req.header("range"),
        most: held.chunk(MOST_BLOCK_BYTES, outgoing),
        gone: gone.signal,
      };
      let answer: CopyAnswer | Response | undefined;
      if (c.req.header("cdnsource")?.toLowerCase() === "source") {
        // Before the index is read: it may be complete a moment later.
        const growing = readAhead?.copies.follow(taskId);
        const copy = await cache.read(taskId);
        // It is being dropped, say for want of room: nobody knows any more whether its pieces are framed.
        if (!copy) return c.notFound();
        if (copy.framed || growing) answer = bareAnswer(copy, { ...request, growing });
      }
      answer ??= fileAnswer(await file.stat(), request);
      if (answer instanceof Response) return answer;
      if (c.req.method === "HEAD") return new Response(null, answer);
      if (!outgoing) return c.text("no connection to answer on", 500);
      observer.bytesServed(answer.bytes);
      handedOver = true;
      void sendCopy(outgoing, file, answer);
      return RESPONSE_ALREADY_SENT;
    } finally {
      if (!handedOver) await file.close();
    }
  });
  return app;
}

/** An answer with bytes of a copy as they lie in its file. */
function fileAnswer(
  { size, mtime }: Stats,
  { range, most }: Pick<BareRequest, "range" | "most">,
): CopyAnswer | Response {
  const wanted = parseRangeHeader(range, size);
  if (wanted.kind === "unsatisfiable") return beyondTheEnd(size);
  const isPart = wanted.kind === "part";
  const start = isPart ? wanted.start : 0;
  const bytes = isPart ? wanted.end - start + 1 : size;
  return {
    status: isPart ? 206 : 200,
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(bytes),
      "accept-ranges": "bytes",
      "last-modified": mtime.toUTCString(),
      // As nginx writes it, which v1 leaves this port to.
      etag: `"${Math.floor(mtime.getTime() / 1000).toString(16)}-${size.toString(16)}"`,
      ...(isPart ? { "content-range": `bytes ${start}-${wanted.end}/${size}` } : {}),
    },
    bytes,
    place: async (at) => ({ position: start + at, length: Math.min(most, bytes - at) }),
  };
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
