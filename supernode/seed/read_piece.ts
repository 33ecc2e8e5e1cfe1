import type { FileHandle } from "node:fs/promises";
import { isIntact, parsePieceSum } from "../../protocol/v1/piece_sum.ts";

/**
 * A piece of a copy on disk, as it goes over the wire; `undefined` where it is not what it was when it was written.
 *
 * @param sum what it hashed to then
 * @param pieceSize where pieces lie: piece *n* at n · piece size
 * @param into to be used for it; default: memory of its own
 * @throws the system's error where it cannot be read
 */
export async function readPiece(
  file: FileHandle,
  { piece, sum, pieceSize }: { piece: number; sum: string; pieceSize: number },
  into?: Uint8Array,
): Promise<Uint8Array | undefined> {
  const length = parsePieceSum(sum)?.length ?? 0;
  if (length > pieceSize) return undefined;
  const buffer = into ?? new Uint8Array(length);
  const { bytesRead } = await file.read(buffer, 0, length, piece * pieceSize);
  const bytes = buffer.subarray(0, bytesRead);
  return isIntact(bytes, sum) ? bytes : undefined;
}
