/**
 * The frame around a piece in CDN pattern `local` (protocol §2): a 4-byte big-endian head, the
 * content, and one tail byte.
 */

/** Bytes of the frame that stand before the content. */
export const FRAME_HEAD_BYTES = 4;
const TAIL = 0x7f;
/** Bytes that the frame adds to each piece. */
export const FRAME_BYTES = 5;

/** The 4-byte head of a piece of `contentLength` bytes in a task with pieces of `pieceSize`. */
export function frameHead(contentLength: number, pieceSize: number): Uint8Array {
  const head = new Uint8Array(FRAME_HEAD_BYTES);
  // v1 computes in unsigned 32 bits; `>>> 0` does the same.
  new DataView(head.buffer).setUint32(0, (contentLength | (pieceSize << 4)) >>> 0);
  return head;
}

/** The byte that ends a framed piece. */
export function frameTail(): Uint8Array {
  return Uint8Array.of(TAIL);
}

/** Why a framed piece is not what it says it is. */
export class BadFrameError extends Error {
  override name = "BadFrameError";
}

/**
 * The content of a framed piece, as a view into `framed` (nothing is copied).
 *
 * @throws {BadFrameError} when head, length or tail do not fit together
 */
export function unframe(framed: Uint8Array, pieceSize: number): Uint8Array {
  const contentLength = framed.byteLength - FRAME_BYTES;
  if (contentLength < 0)
    throw new BadFrameError(`a piece of ${framed.byteLength} bytes has no room for its frame`);
  const head = new DataView(framed.buffer, framed.byteOffset, FRAME_HEAD_BYTES).getUint32(0);
  const wanted = new DataView(frameHead(contentLength, pieceSize).buffer).getUint32(0);
  if (head !== wanted) {
    throw new BadFrameError(
      `head 0x${head.toString(16)} of the piece should be 0x${wanted.toString(16)}`,
    );
  }
  if (framed[framed.byteLength - 1] !== TAIL)
    throw new BadFrameError("the piece does not end in 0x7f");
  return framed.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + contentLength);
}
