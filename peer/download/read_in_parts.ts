import type { IncomingMessage } from "node:http";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { withinLimits } from "../../runtime/rate_limit/within_limits.ts";
import { blockBuffers } from "../store/block_buffers.ts";
import { BadLengthError } from "./fixed_body.ts";

/**
 * Reads a body that consists of parts of known lengths, and hands on each part as soon as it is whole.
 * The next part is read while the last one is being kept, not further ahead: memory stays bounded.
 *
 * @param onPart keeps a part, one of {@link blockBuffers} where it is of that size; parts are handed on
 *   one after the other
 * @param onProgress told which part is being read, or that all are (their number), and how many bytes of it
 *   are there
 * @throws {BadLengthError} when the body is longer or shorter than its parts
 */
export function readInParts(
  body: IncomingMessage,
  lengths: readonly number[],
  limiters: readonly RateLimit[],
  onPart: (index: number, content: Uint8Array) => Promise<void>,
  onProgress?: (part: number, filled: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let index = 0;
    let target = blockBuffers.take(lengths[0] ?? 0);
    let filled = 0;
    let keeping: Promise<void> = Promise.resolve();
    let waiting = 0;
    let held = false;
    const goOn = () => {
      if (waiting < 2 && !held) body.resume();
    };
    const fail = (error: Error) => {
      body.destroy();
      reject(error);
    };
    const keep = (part: number, content: Uint8Array) => {
      waiting += 1;
      keeping = keeping.then(() => onPart(part, content));
      keeping.then(() => {
        waiting -= 1;
        goOn();
      }, fail);
      if (waiting >= 2) body.pause();
    };
    body.on("data", (chunk: Buffer) => {
      let at = 0;
      while (at < chunk.byteLength) {
        if (index === lengths.length) return fail(new BadLengthError("more than should come"));
        const copied = chunk.copy(
          target,
          filled,
          at,
          at + Math.min(chunk.byteLength - at, target.byteLength - filled),
        );
        at += copied;
        filled += copied;
        if (filled < target.byteLength) continue;
        keep(index, target);
        index += 1;
        filled = 0;
        target = blockBuffers.take(lengths[index] ?? 0);
      }
      onProgress?.(index, filled);
      const hold = withinLimits(chunk.byteLength, limiters);
      if (!hold) return;
      held = true;
      body.pause();
      void hold.then(() => {
        held = false;
        goOn();
      });
    });
    body.on("end", () => {
      if (index < lengths.length)
        fail(new BadLengthError(`${lengths.length - index} parts are missing`));
      else keeping.then(resolve, fail);
    });
    body.on("error", fail);
    body.on("close", () => {
      // Whoever has the last part may hang up, before the limits have let us come to the end.
      if (index === lengths.length) keeping.then(resolve, fail);
      else fail(new BadLengthError(`broken off in part ${index} of ${lengths.length}`));
    });
  });
}
