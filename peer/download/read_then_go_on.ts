import type { ByteRange } from "../../protocol/piece_range.ts";
import type { BodyReader } from "../../runtime/plain_http/connection.ts";

export interface GoingOn {
  /** Asks where the bytes are to come from at first. */
  open(reader: BodyReader): Promise<void>;
  /** Asks for the rest elsewhere. */
  goOn(rest: ByteRange, reader: BodyReader, reason: Error): Promise<void>;
  /** Whether it is over for good. */
  signal: AbortSignal;
}

/**
 * Reads a stretch of a file; where its sender is gone in the middle, what is missing comes from elsewhere, from the byte
 * reached: nothing is fetched twice. Hot path.
 *
 * @throws what `open` throws when all has come or the signal has aborted, and what `goOn` throws
 */
export async function readThenGoOn(
  range: ByteRange,
  reader: BodyReader,
  { open, goOn, signal }: GoingOn,
): Promise<void> {
  let at = range.start;
  const onBody = (chunk: Uint8Array) => {
    at += chunk.byteLength;
    return reader.onBody(chunk);
  };
  try {
    await open({ ...reader, onBody });
  } catch (error) {
    if (at > range.end || signal.aborted) throw error;
    await goOn({ start: at, end: range.end }, reader, error as Error);
  }
}
