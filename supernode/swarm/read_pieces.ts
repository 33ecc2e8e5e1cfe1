import { Bitmap } from "../../protocol/swarm/bitmap.ts";

/** The pieces, or blocks, that a node says it has. One who sends nonsense is not believed to have anything. */
export function readPieces(base64: string, count: number): Iterable<number> {
  try {
    return Bitmap.fromBase64(base64, count);
  } catch {
    return [];
  }
}
