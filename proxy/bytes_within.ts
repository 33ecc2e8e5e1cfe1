import type { ByteRange } from "../protocol/piece_range.ts";

/** The bytes `range` of a file, out of chunks of it that begin at byte `at`; what comes after them is not read. */
export async function* bytesWithin(
  chunks: AsyncIterable<Uint8Array>,
  at: number,
  range: ByteRange,
): AsyncGenerator<Uint8Array> {
  let position = at;
  for await (const chunk of chunks) {
    const from = Math.max(0, range.start - position);
    const to = Math.min(chunk.byteLength, range.end + 1 - position);
    position += chunk.byteLength;
    if (to > from) yield chunk.subarray(from, to);
    if (position > range.end) break;
  }
}
