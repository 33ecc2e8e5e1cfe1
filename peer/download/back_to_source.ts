import { setTimeout as sleep } from "node:timers/promises";
import { contentSize, pieceContent } from "../../protocol/piece_range.ts";
import { isDiskFull } from "../../runtime/files.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { isPassingStatus } from "../../runtime/passing_status.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { withinLimits } from "../../runtime/rate_limit/within_limits.ts";
import { contentBuffers } from "../store/content_buffers.ts";
import type { TaskFile } from "../store/task_file.ts";
import {
  fetchSourceRange,
  openSource,
  RangeIgnoredError,
  type Source,
  SourceRefusedError,
} from "./fetch_source.ts";

export interface BackToSourceOptions {
  source: Source;
  /** Gets the missing pieces; its length is set here if it was unknown. */
  file: TaskFile;
  http: HttpClient;
  limiters: readonly RateLimit[];
  signal: AbortSignal;
  /** Told how many bytes the whole file has, as soon as that is known. */
  onLength?: ((length: number) => void) | undefined;
  /** Told whenever bytes come. */
  onBytes?: (() => void) | undefined;
  onPiece(piece: number, content: Uint8Array): Promise<void>;
}

/** Ranges asked of the source at once. */
const PARALLEL = 4;
/** Times a broken answer of the source is taken up again. */
const TRIES = 4;

/**
 * Brings what a file still lacks straight from its source: by ranges, several at once, where source
 * and length allow, else in one stream.
 *
 * @throws {SourceRefusedError} when the source says no, else its last failure
 */
export async function fetchAllFromSource(options: BackToSourceOptions): Promise<void> {
  const { file } = options;
  if (file.layout.length >= 0) options.onLength?.(file.layout.length);
  if (file.layout.length < 0) return retry(options, () => streamAll(options));
  if (file.layout.length === 0) {
    // Nothing to fetch, but the source must still agree to give it.
    const response = await openSource(options.source, options);
    response.body.destroy();
    return options.onPiece(0, new Uint8Array());
  }
  try {
    await byRanges(options);
  } catch (error) {
    if (!(error instanceof RangeIgnoredError)) throw error;
    await retry(options, () => streamAll(options));
  }
}

async function byRanges(options: BackToSourceOptions): Promise<void> {
  const { file } = options;
  const missing = file.missing();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const fetchOne = async (piece: number) => {
    const { offset, length } = pieceContent(piece, file.layout);
    const range = { start: offset, end: offset + length - 1 };
    const content = await retry(options, () =>
      fetchSourceRange(options.source, range, { ...options, signal }),
    );
    try {
      await options.onPiece(piece, content);
    } finally {
      contentBuffers.give(content);
    }
  };
  // The first alone: it shows whether the source does ranges at all.
  const first = missing.shift();
  if (first !== undefined) await fetchOne(first);
  const worker = async () => {
    for (let piece = missing.shift(); piece !== undefined; piece = missing.shift()) {
      await fetchOne(piece);
    }
  };
  const workers = Array.from({ length: PARALLEL }, worker);
  try {
    await Promise.all(workers);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(workers);
    throw error;
  }
}

/** Reads the whole file in one answer and cuts it into pieces; those that are here are passed over. */
async function streamAll(options: BackToSourceOptions): Promise<void> {
  const { file } = options;
  const response = await openSource(options.source, options);
  const announced = response.headers["content-length"];
  if (announced !== undefined) options.onLength?.(Number(announced));
  const size = contentSize(file.layout);
  let piece = 0;
  let total = 0;
  let buffer = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    total += chunk.byteLength;
    options.onBytes?.();
    await withinLimits(chunk.byteLength, options.limiters);
    options.signal.throwIfAborted();
    const { length } = file.layout;
    // One that never ends must not fill the disk.
    if (length >= 0 && total > length)
      throw new Error(`the source sends more than the ${length} bytes that should come`);
    let at = 0;
    while (at < chunk.byteLength) {
      const copied = chunk.copy(buffer, filled, at, Math.min(chunk.byteLength, at + size - filled));
      at += copied;
      filled += copied;
      if (filled === size) {
        await options.onPiece(piece, buffer);
        piece += 1;
        filled = 0;
        // The piece may still be hashed: the next one gets memory of its own.
        buffer = Buffer.allocUnsafe(size);
      }
    }
  }
  if (file.layout.length < 0) file.setLength(total);
  else if (total !== file.layout.length) {
    throw new Error(`the source sent ${total} bytes where ${file.layout.length} should come`);
  }
  if (filled > 0 || total === 0) await options.onPiece(piece, buffer.subarray(0, filled));
}

/** Tries again, after growing pauses, what broke; a refusal or a full disk is final. */
async function retry<Value>(
  options: Pick<BackToSourceOptions, "signal">,
  attempt: () => Promise<Value>,
): Promise<Value> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      options.signal.throwIfAborted();
      const final =
        error instanceof SourceRefusedError
          ? !isPassingStatus(error.status)
          : error instanceof RangeIgnoredError || isDiskFull(error);
      if (final || tries === TRIES) throw error;
      await sleep(100 * 4 ** (tries - 1), undefined, { signal: options.signal });
    }
  }
}
