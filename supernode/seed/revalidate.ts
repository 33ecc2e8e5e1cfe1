import { unframe } from "../../protocol/piece_frame.ts";
import type { Task, Validators } from "../tasks/task.ts";
import type { SavedCopy, SeedCache } from "./cache.ts";
import { readPiece } from "./read_piece.ts";

/**
 * Whether two answers of the source speak of the same version of a file. ETags decide where both have
 * one, else the date; a source that says neither cannot be trusted to.
 */
export function isSameVersion(one: Validators, other: Validators): boolean {
  if (one.etag && other.etag) return one.etag === other.etag;
  return one.lastModified !== "" && one.lastModified === other.lastModified;
}

/** Whether a copy on disk may be the beginning, or all, of what the task's source has now. */
export function isUsable(copy: SavedCopy, task: Task): boolean {
  const length = copy.complete?.length ?? copy.length;
  return (
    isSameVersion(copy, task.validators) &&
    copy.framed === (task.cdnSource === "supernode") &&
    copy.pieceSize === task.pieceSize &&
    (task.length < 0 || length === task.length)
  );
}

/** A piece on disk that is what it was when it was written. */
export interface TrustedPiece {
  number: number;
  content: Uint8Array;
  sum: string;
}

/** The pieces of a copy from the first on, as far as their sums are right. */
export async function* trustedPieces(
  cache: SeedCache,
  taskId: string,
  copy: SavedCopy,
): AsyncGenerator<TrustedPiece> {
  const file = await cache.open(taskId).catch(() => undefined);
  if (!file) return;
  try {
    const buffer = new Uint8Array(copy.pieceSize);
    const { framed, pieceSize } = copy;
    for (const [number, sum] of copy.pieceSums.entries()) {
      const bytes = await readPiece(file, { piece: number, sum, pieceSize }, buffer);
      if (!bytes) return;
      yield { number, sum, content: framed ? unframe(bytes, pieceSize) : bytes };
    }
  } finally {
    await file.close();
  }
}
