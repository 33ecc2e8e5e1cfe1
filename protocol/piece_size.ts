const MIB = 1024 * 1024;

/** The smallest and the usual piece: 4 MiB (protocol §1, Piece size). */
export const MIN_PIECE_SIZE = 4 * MIB;
/** No piece is larger than this: 15 MiB (protocol §1, Piece size). */
export const MAX_PIECE_SIZE = 15 * MIB;

/**
 * Bytes a piece takes on the wire for a file of `length` bytes; -1 where the length is unknown.
 * Every node must come to the same answer (protocol §1, Piece size).
 */
export function pieceSize(length: number): number {
  if (length <= 200 * MIB) return MIN_PIECE_SIZE;
  const grown = MIN_PIECE_SIZE + (Math.floor(length / (100 * MIB)) - 2) * MIB;
  return Math.min(grown, MAX_PIECE_SIZE);
}
