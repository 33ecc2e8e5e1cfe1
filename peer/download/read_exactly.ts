import type { IncomingMessage } from "node:http";
import type { RateLimiter } from "../../runtime/rate_limiter.ts";
import { blockBuffers } from "../store/block_buffers.ts";

/** A body that is longer or shorter than it should be. */
export class BadLengthError extends Error {
  override name = "BadLengthError";
  /** The connection was cut in the middle, which is no lie. */
  readonly broken: boolean;
  constructor(message: string, broken = false) {
    super(message);
    this.broken = broken;
  }
}

/**
 * Reads a body of known length into one buffer. Hot path: one copy a chunk, and no promise a chunk
 * unless a rate limit asks for a pause.
 *
 * @param onPause told of each pause that a limit asks for, ms
 * @returns one of {@link blockBuffers} where it is of that size
 * @throws {BadLengthError} when the body has another length
 */
export function readExactly(
  body: IncomingMessage,
  length: number,
  limiters: readonly RateLimiter[] = [],
  onPause?: (ms: number) => void,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const target = blockBuffers.take(length);
    let filled = 0;
    let resume: NodeJS.Timeout | undefined;
    const fail = (error: Error) => {
      clearTimeout(resume);
      body.destroy();
      reject(error);
    };
    body.on("data", (chunk: Buffer) => {
      if (filled + chunk.byteLength > length) {
        return fail(new BadLengthError(`more than the ${length} bytes that should come`));
      }
      chunk.copy(target, filled);
      filled += chunk.byteLength;
      let waitMs = 0;
      for (const limiter of limiters) waitMs = Math.max(waitMs, limiter.take(chunk.byteLength));
      if (waitMs >= 10) {
        body.pause();
        onPause?.(waitMs);
        resume = setTimeout(() => body.resume(), waitMs);
      }
    });
    body.on("end", () => {
      if (filled === length) resolve(target);
      else fail(new BadLengthError(`${filled} bytes where ${length} should come`));
    });
    body.on("error", fail);
    body.on("close", () => {
      if (!body.complete)
        fail(new BadLengthError(`broken off after ${filled} of ${length} bytes`, true));
    });
  });
}
