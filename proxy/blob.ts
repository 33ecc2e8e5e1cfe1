import type { IncomingMessage, ServerResponse } from "node:http";
import {
  byOrigin,
  DownloadError,
  type OpenFile,
  type Peer,
  WrongDigestError,
} from "../peer/mod.ts";
import { blobDigest } from "../protocol/digest.ts";
import type { ByteRange } from "../protocol/piece_range.ts";
import type { HttpClient } from "../runtime/http_client.ts";
import { parseRangeHeader, type RangeRequest } from "../runtime/http_range.ts";
import type { Logger } from "../runtime/logger.ts";
import { redactUrl } from "../runtime/redact_url.ts";
import { inSpan, NO_SPAN, type Span } from "../runtime/tracing/tracing.ts";
import { askSource, type SourceFile, type SourceRequest } from "./ask_source.ts";
import { bytesWithin } from "./bytes_within.ts";
import { compared } from "./compared.ts";
import { forward } from "./forward.ts";
import { answerText, blobRequestHeaders, hasBody } from "./headers.ts";
import type { FallbackReason, ProxyMetrics } from "./metrics.ts";
import { OpenTimeout, openInTime, readChunks, release } from "./peer_stream.ts";
import { readFromSource } from "./resume.ts";
import type { Decision } from "./rules.ts";

export interface BlobOptions {
  client: HttpClient;
  /** Absent: the peer could not be started, and everything goes straight. */
  peer: Peer | undefined;
  metrics: ProxyMetrics;
  log: Logger;
  /** Milliseconds that opening a file by p2p may take. Default: 5000. */
  openTimeoutMs?: number;
  /** Milliseconds without a byte, or a sign of one, after which p2p counts as failed. Default: 60 000. */
  stallTimeoutMs?: number;
}

/**
 * Answers a GET of a blob by p2p. The source is asked first, with the client's own credentials;
 * whatever it refuses, and whatever goes wrong in p2p, ends in the source's own answer: at once, or
 * from the byte reached (protocol §5, By p2p).
 */
export async function serveBlob(
  options: BlobOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  decision: Decision,
  span: Span = NO_SPAN,
): Promise<void> {
  const { client, peer, metrics, log } = options;
  const startMs = performance.now();
  const url = redactUrl(decision.url);
  const straight = (reason: FallbackReason, detail = "") => {
    metrics.countFallback(reason);
    span.set({ "dragonfly.outcome": `straight: ${reason}` });
    log.info("{url}: straight to the source, {reason} {detail}", { url, reason, detail });
    return forward(client, incoming, outgoing, {
      ...decision,
      onBytes: (bytes) => metrics.countBytes("registry", bytes),
      onFailure: metrics.countFailure,
    });
  };
  if (!peer) return straight("no_peer");
  if (hasBody(incoming)) return straight("source_refused");

  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  const headers = blobRequestHeaders(incoming);
  const request: SourceRequest = { ...decision, headers, signal: gone.signal };
  const source = await inSpan("ask registry", { kind: "client", parent: span }, () =>
    askSource(client, request),
  );
  if (gone.signal.aborted) return;
  if (typeof source === "string") return straight(source);

  const wanted = wantedRange(incoming, source.length, source.etag);
  if (wanted.kind === "unsatisfiable") {
    outgoing.setHeader("Content-Range", `bytes */${source.length}`);
    return answerText(outgoing, 416, "the range lies beyond the end of the file");
  }
  const { length } = source;
  const range = wanted.kind === "part" ? wanted : { start: 0, end: length - 1 };
  const openTimeoutMs = options.openTimeoutMs ?? 5000;
  const toOpen = { length, from: range.start };
  const file = await openInTime(peer, request, toOpen, openTimeoutMs, span).catch(
    (error: Error) => error,
  );
  if (file instanceof Error) {
    return straight(file instanceof OpenTimeout ? "open_timeout" : "open_failed", file.message);
  }
  if (gone.signal.aborted) return release(file);
  if (file.length !== source.length) {
    release(file);
    return straight("length_differs");
  }

  const origins = traceOrigins(file, span);
  writeHead(outgoing, source, range, wanted.kind === "part");
  let reached = range.start;
  const send = async (chunks: AsyncIterable<Uint8Array>, onBytes?: (bytes: number) => void) => {
    for await (const chunk of chunks) {
      if (gone.signal.aborted) return;
      if (reached === range.start) {
        metrics.observeFirstByte((performance.now() - startMs) / 1000);
      }
      // More than was promised must not reach the client.
      const bytes = chunk.subarray(0, range.end + 1 - reached);
      reached += bytes.byteLength;
      onBytes?.(bytes.byteLength);
      await written(outgoing, bytes, gone.signal);
      file.giveBack(chunk);
    }
    if (reached <= range.end)
      throw new DownloadError(`ended ${range.end + 1 - reached} bytes early`);
  };
  const cutWrong = (error: WrongDigestError) => {
    metrics.countVerificationFailure();
    span.set({ "dragonfly.outcome": "cut: wrong digest" });
    // The client has some of the wrong bytes already: it must not take them for a whole.
    log.error("{url}: connection cut: {error}", { url, error: error.message });
    outgoing.destroy();
  };
  /** From the source; with what p2p brought before, it must be what the digest says. */
  const rest = async (start: number) => {
    const digest = wanted.kind === "whole" ? blobDigest(decision.url) : undefined;
    const hashed = digest && (await file.hashedStart());
    // What cannot be hashed any more comes once more.
    const at = Math.min(start, hashed?.bytes ?? start);
    const chunks = readFromSource(client, request, source, { start: at, end: range.end });
    if (!digest || !hashed) return chunks;
    const right = compared({ chunks, at, start: hashed, digest });
    return bytesWithin(right, at, { start, end: range.end });
  };
  try {
    // Who asks for all from somewhere on has the beginning, and goes on with it.
    const apart = wanted.kind === "part" && !wanted.open && wanted.start > 0;
    const stallMs = options.stallTimeoutMs ?? 60_000;
    await send(readChunks(file, { ...range, apart }, gone.signal, stallMs));
    span.set({ "dragonfly.outcome": gone.signal.aborted ? CLIENT_GONE : "p2p" });
  } catch (error) {
    if (gone.signal.aborted) return span.set({ "dragonfly.outcome": CLIENT_GONE });
    if (error instanceof WrongDigestError) return cutWrong(error);
    metrics.countFallback("stream_failed");
    span.set({ "dragonfly.outcome": "p2p, the rest straight: stream_failed" });
    const about = { url, reached, error: message(error) };
    log.warn("{url}: p2p failed at byte {reached}, on from the source: {error}", about);
    try {
      await send(await rest(reached), (bytes) => metrics.countBytes("registry", bytes));
    } catch (failure) {
      if (gone.signal.aborted) return;
      if (failure instanceof WrongDigestError) return cutWrong(failure);
      metrics.countFailure("broken_off");
      span.set({ "dragonfly.outcome": "cut: broken_off" });
      const about = { url, reached, error: message(failure) };
      log.error("{url}: connection cut at byte {reached}: {error}", about);
      return void outgoing.destroy();
    }
    outgoing.end();
    return;
  }
  outgoing.end();
  // All is here, or the last bytes would not have been handed out; of a part nobody knows when that is so.
  if (wanted.kind === "whole" && !gone.signal.aborted) await origins;
}

/** What a pull's span says of one whose client hung up. */
const CLIENT_GONE = "the client hung up";

/** Tells where the file's bytes have come from, once all are here. */
function traceOrigins(file: OpenFile, span: Span): Promise<void> {
  return file.done.then(
    ({ bytes }) => span.set(byOrigin(bytes)),
    () => {},
  );
}

/** Resolves when bytes have been handed to the system: their memory is free again. */
function written(outgoing: ServerResponse, bytes: Uint8Array, gone: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(gone.reason as Error);
    gone.addEventListener("abort", abort, { once: true });
    outgoing.write(bytes, (error) => {
      // Where it fails the client is gone, as we are about to be told.
      if (error) return;
      gone.removeEventListener("abort", abort);
      resolve();
    });
  });
}

/** What of the file the client asked for. */
function wantedRange(incoming: IncomingMessage, length: number, etag?: string): RangeRequest {
  const condition = incoming.headers["if-range"];
  // Only a strong validator proves that the client's part is of this very file (RFC 9110 §13.1.5).
  const fits = condition === undefined || (condition === etag && condition.startsWith('"'));
  return fits ? parseRangeHeader(incoming.headers.range, length) : { kind: "whole" };
}

function writeHead(
  outgoing: ServerResponse,
  source: SourceFile,
  range: ByteRange,
  partial: boolean,
): void {
  for (const [name, value] of Object.entries(source.headers)) outgoing.setHeader(name, value);
  outgoing.setHeader("Accept-Ranges", "bytes");
  outgoing.setHeader("Content-Length", range.end + 1 - range.start);
  if (partial) {
    outgoing.statusCode = 206;
    outgoing.setHeader("Content-Range", `bytes ${range.start}-${range.end}/${source.length}`);
  }
  // Some clients wait only so long for an answer, and the first piece may take its time.
  outgoing.flushHeaders();
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
