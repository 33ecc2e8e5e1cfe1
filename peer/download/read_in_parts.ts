import type { BodyReader } from "../../runtime/plain_http/connection.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { biteOf, withinLimits } from "../../runtime/rate_limit/within_limits.ts";
import { PartsBody, type PartsBodyOptions } from "./parts_body.ts";

export interface ReadInPartsOptions extends PartsBodyOptions {
  /** Of each part, bytes. */
  lengths: readonly number[];
  limiters?: readonly RateLimit[] | undefined;
  signal: AbortSignal;
}

/**
 * Reads an answer in parts of known lengths, each of which is kept while the next one comes in.
 *
 * @param ask asks for it, and resolves when the reader has its whole body
 * @throws {BadLengthError} when the body is longer or shorter than its parts, and what `ask` and `onPart` throw
 */
export async function readInParts(
  ask: (reader: BodyReader, signal: AbortSignal) => Promise<void>,
  options: ReadInPartsOptions,
): Promise<void> {
  const { bodies, lengths, limiters, signal, onProgress } = options;
  const stop = new AbortController();
  const onPart = async (index: number, content: Uint8Array) => {
    try {
      await options.onPart(index, content);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  };
  const parts = new PartsBody(lengths, { bodies, onPart, onProgress });
  const bite = biteOf(limiters);
  const reader: BodyReader = {
    target: () => parts.rest.subarray(0, bite),
    onBody: (chunk) => {
      const room = parts.add(chunk);
      const goOn = withinLimits(chunk.byteLength, limiters);
      return room && goOn ? Promise.all([room, goOn]) : (room ?? goOn);
    },
  };
  try {
    await ask(reader, AbortSignal.any([signal, stop.signal]));
  } finally {
    parts.drop();
  }
  await parts.end();
}
