import { type HashedStart, WrongDigestError } from "../peer/mod.ts";
import { type Digest, formatDigest } from "../protocol/digest.ts";

/** A file's bytes from `at` on, and what is known of those before. */
export interface RestOfFile {
  chunks: AsyncIterable<Uint8Array>;
  /** The file offset of the first of them; not beyond what has been hashed. */
  at: number;
  start: HashedStart;
  digest: Digest;
}

/**
 * Hands on the rest of a file, the last chunk only when all of it is what its digest says.
 *
 * @throws {WrongDigestError} where it is not
 */
export async function* compared({
  chunks,
  at,
  start,
  digest,
}: RestOfFile): AsyncGenerator<Uint8Array> {
  const { hash } = start;
  let position = at;
  let held: Uint8Array | undefined;
  for await (const chunk of chunks) {
    if (held) yield held;
    hash.update(chunk.subarray(Math.max(0, start.bytes - position)));
    position += chunk.byteLength;
    held = chunk;
  }
  const hex = hash.digest("hex");
  if (hex !== digest.hex)
    throw new WrongDigestError(`the bytes are sha256:${hex}, not ${formatDigest(digest)}`);
  if (held) yield held;
}
