import type { ByteRange, PieceLayout } from "../piece_range.ts";

/**
 * File bytes in a block of a large file. A quarter of v1's smallest piece: at 300 MB/s a block is passed on 3.5 ms
 * after its first byte, so that ten generations of copies, a thousand nodes, take less than 50 ms.
 */
export const MOST_BLOCK_BYTES = 1 << 20;
/** … and of a small one: still smaller ones take longer to ask for than to send. */
export const LEAST_BLOCK_BYTES = 1 << 18;
/** The shortest file with blocks of {@link MOST_BLOCK_BYTES}, bytes. */
const LARGE_FILE = 128 * MOST_BLOCK_BYTES;

/** A stretch of consecutive blocks. */
export interface BlockRun {
  /** Number of the first block. */
  first: number;
  /** How many blocks, at least 1. */
  count: number;
}

/**
 * File bytes in a block, the unit in which our own programs hand a file to each other; the last one of a file may be
 * shorter. A power of two that divides v1's pieces: 256 KiB in files of less than 32 MiB, 512 KiB in those of less
 * than 128 MiB, else 1 MiB.
 *
 * Nobody can hand on a block before the whole of it has come, so that a file takes some blocks' time longer than its
 * bytes do; and each block costs two nodes a request, and all their neighbours a word. Both together are least where
 * blocks go by the square root of the length.
 */
export function blockBytes(fileLength: number): number {
  let bytes = MOST_BLOCK_BYTES;
  while (bytes > LEAST_BLOCK_BYTES && fileLength < LARGE_FILE * (bytes / MOST_BLOCK_BYTES) ** 2)
    bytes /= 2;
  return bytes;
}

/** Whether a file lies in blocks, as our own swarm fetches it, and not in v1's pieces. */
export function isInBlocks({ pieceSize, framed, length }: PieceLayout): boolean {
  return !framed && pieceSize === blockBytes(length);
}

/** How many blocks a file has; none where it is empty. */
export function blockCount(fileLength: number): number {
  return Math.ceil(fileLength / blockBytes(fileLength));
}

/** File bytes of a block. */
export function blockLength(block: number, fileLength: number): number {
  const bytes = blockBytes(fileLength);
  return Math.max(0, Math.min(bytes, fileLength - block * bytes));
}

/** The file's bytes that a run covers. */
export function runRange(run: BlockRun, fileLength: number): ByteRange {
  const bytes = blockBytes(fileLength);
  const start = run.first * bytes;
  return { start, end: Math.min(fileLength, start + run.count * bytes) - 1 };
}

/** The run that a byte range covers; `undefined` where it does not begin and end with blocks. */
export function rangeRun(range: ByteRange, fileLength: number): BlockRun | undefined {
  const bytes = blockBytes(fileLength);
  const after = range.end + 1;
  if (range.start % bytes !== 0 || after > fileLength) return undefined;
  if (after % bytes !== 0 && after !== fileLength) return undefined;
  const first = range.start / bytes;
  return { first, count: Math.ceil(after / bytes) - first };
}
