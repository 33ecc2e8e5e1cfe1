import { FRAME_BYTES, FRAME_HEAD_BYTES } from "../../protocol/piece_frame.ts";
import { contentSize, pieceContent } from "../../protocol/piece_range.ts";
import { parsePieceSum } from "../../protocol/v1/piece_sum.ts";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import type { SavedCopy } from "../seed/cache.ts";
import type { GrowingCopy } from "../seed/growing_copies.ts";
import { beyondTheEnd, type CopyAnswer } from "./send_copy.ts";

/** Bytes of a copy that is being made that are read at once: they are to leave as they come. */
const GROWING_BYTES = 128 * 1024;

export interface BareRequest {
  /** As the header `Range` names it, in bytes of the file. */
  range: string | undefined;
  /** Of a copy that is being made: what is still to come is waited for. */
  growing?: GrowingCopy | undefined;
  /** Bytes to be read at once, at most. */
  most: number;
  /** Aborts when nobody waits for the answer any more. */
  gone: AbortSignal;
}

/**
 * An answer with bytes of the file that a copy holds, as far as it has come, without the frames that it may have.
 *
 * @returns the answer, or the refusal
 */
export function bareAnswer(
  copy: SavedCopy,
  { range, growing, most, gone }: BareRequest,
): CopyAnswer | Response {
  const { pieceSize, framed } = copy;
  const layout = { pieceSize, framed, length: -1 };
  const size = growing && copy.length >= 0 ? copy.length : bytesOf(copy);
  const wanted = parseRangeHeader(range, size);
  if (wanted.kind !== "part") return beyondTheEnd(size);
  const { start, end } = wanted;
  const atOnce = growing ? Math.min(most, GROWING_BYTES) : most;
  const bytes = end + 1 - start;
  return {
    status: 206,
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(bytes),
      "content-range": `bytes ${start}-${end}/${size}`,
    },
    bytes,
    async place(at) {
      const first = start + at;
      const there = (await growing?.there(first, gone)) ?? end + 1;
      const piece = Math.floor(first / contentSize(layout));
      const { offset, length } = pieceContent(piece, layout);
      const head = framed ? FRAME_HEAD_BYTES : 0;
      return {
        position: piece * pieceSize + head + first - offset,
        length: Math.min(atOnce, there - first, end + 1 - first, offset + length - first),
      };
    },
    onTaken: (at, length) => growing?.handedOut({ start: start + at, end: start + at + length }),
  };
}

/** File bytes of the pieces that are there. */
function bytesOf({ pieceSize, pieceSums, framed }: SavedCopy): number {
  const last = pieceSums.length - 1;
  if (last < 0) return 0;
  const frame = framed ? FRAME_BYTES : 0;
  const lastBytes = (parsePieceSum(pieceSums[last]!)?.length ?? 0) - frame;
  return last * contentSize({ pieceSize, framed, length: -1 }) + lastBytes;
}
