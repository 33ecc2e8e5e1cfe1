import type { IncomingMessage } from "node:http";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { withinLimits } from "../../runtime/rate_limit/within_limits.ts";
import { BadLengthError, FixedBody } from "./fixed_body.ts";

/**
 * Reads a body of known length into one buffer. Hot path: one copy a chunk, and no promise a chunk
 * unless a rate limit asks for a pause.
 *
 * @returns one of the content buffers
 * @throws {BadLengthError} when the body has another length
 */
export function readExactly(
  body: IncomingMessage,
  length: number,
  limiters: readonly RateLimit[] = [],
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const into = new FixedBody(length);
    const fail = (error: Error) => {
      body.destroy();
      reject(error);
    };
    body.on("data", (chunk: Buffer) => {
      try {
        into.add(chunk);
      } catch (error) {
        return fail(error as Error);
      }
      const goOn = withinLimits(chunk.byteLength, limiters);
      if (!goOn) return;
      body.pause();
      void goOn.then(() => body.resume());
    });
    body.on("end", () => {
      try {
        into.end();
        resolve(into.bytes);
      } catch (error) {
        fail(error as Error);
      }
    });
    body.on("error", fail);
    body.on("close", () => {
      if (body.complete) return;
      fail(new BadLengthError(`broken off after ${into.filled} of ${length} bytes`));
    });
  });
}
