import { type PieceLayout, pieceContent, pieceCount } from "../../protocol/piece_range.ts";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import type { TaskFile } from "../store/task_file.ts";

/**
 * The pieces, as v1 clients of the same task have them, that lie whole in a file that is kept in blocks:
 * what v1 clients can be sent here for.
 */
export function piecesHeld(file: Pick<TaskFile, "holds">, layout: PieceLayout): Bitmap {
  const held = new Bitmap(pieceCount(layout));
  for (let piece = 0; piece < held.size; piece++) {
    const { offset, length } = pieceContent(piece, layout);
    if (file.holds(offset, length)) held.add(piece);
  }
  return held;
}
