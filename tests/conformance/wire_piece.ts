import { createHash } from "node:crypto";
import { frameHead, frameTail } from "../../protocol/piece_frame.ts";

/** A piece of `content` as it is on the wire. */
export function pieceBytes(
  content: Buffer,
  piece: number,
  pieceSize: number,
  framed: boolean,
): Buffer {
  const size = framed ? pieceSize - 5 : pieceSize;
  const part = content.subarray(piece * size, (piece + 1) * size);
  if (!framed) return part;
  return Buffer.concat([frameHead(part.length, pieceSize), part, frameTail()]);
}

/** `pieceMd5` of a piece, as v1's supernode hands it out. */
export function pieceMd5(wire: Buffer): string {
  return `${createHash("md5").update(wire).digest("hex")}:${wire.length}`;
}
