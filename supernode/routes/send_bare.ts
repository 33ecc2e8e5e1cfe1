import type { FileHandle } from "node:fs/promises";
import { FRAME_BYTES, FRAME_HEAD_BYTES } from "../../protocol/piece_frame.ts";
import { contentSize, pieceContent } from "../../protocol/piece_range.ts";
import { MOST_BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { parsePieceSum } from "../../protocol/v1/piece_sum.ts";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import type { SavedCopy } from "../seed/cache.ts";
import type { GrowingCopy } from "../seed/growing_copies.ts";
import { readCopy } from "./read_copy.ts";

/** Bytes of a copy that is being made that are read at once: they are to leave as they come. */
const GROWING_BYTES = 128 * 1024;
/** … while much is held for others already. */
const CROWDED_BYTES = 64 * 1024;

export interface BareRequest {
  /** As the header `Range` names it, in bytes of the file. */
  range: string | undefined;
  /** Of a copy that is being made: what is still to come is waited for. */
  growing?: GrowingCopy | undefined;
  /** Whether little is to be held in memory for this client. */
  isCrowded: boolean;
}

/**
 * Answers with bytes of the file that a copy holds, as far as it has come, without the frames that it may have.
 *
 * @param file the copy; closed when the answer is out, or not at all where that is not a 206
 */
export function sendBare(
  file: FileHandle,
  copy: SavedCopy,
  { range, growing, isCrowded }: BareRequest,
): Response {
  const { pieceSize, framed } = copy;
  const layout = { pieceSize, framed, length: -1 };
  const size = growing && copy.length >= 0 ? copy.length : bytesOf(copy);
  const wanted = parseRangeHeader(range, size);
  if (wanted.kind !== "part")
    return new Response(null, { status: 416, headers: { "content-range": `bytes */${size}` } });
  let at = wanted.start;
  let handedOut = at;
  const end = wanted.end + 1;
  const most = isCrowded ? CROWDED_BYTES : growing ? GROWING_BYTES : MOST_BLOCK_BYTES;
  const gone = new AbortController();
  const source: UnderlyingDefaultSource<Uint8Array> = {
    async pull(controller) {
      try {
        // Whoever asks for more has written what he had.
        growing?.handedOut({ start: handedOut, end: at });
        handedOut = at;
        if (at < end) {
          const there = (await growing?.there(at, gone.signal)) ?? end;
          const piece = Math.floor(at / contentSize(layout));
          const { offset, length } = pieceContent(piece, layout);
          const bytes = new Uint8Array(Math.min(most, there - at, end - at, offset + length - at));
          const head = framed ? FRAME_HEAD_BYTES : 0;
          await readCopy(file, bytes, piece * pieceSize + head + at - offset);
          at += bytes.byteLength;
          controller.enqueue(bytes);
          return;
        }
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      await file.close();
    },
    cancel: () => {
      gone.abort();
      return file.close();
    },
  };
  return new Response(new ReadableStream(source, { highWaterMark: 0 }), {
    status: 206,
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(end - at),
      "content-range": `bytes ${wanted.start}-${wanted.end}/${size}`,
    },
  });
}

/** File bytes of the pieces that are there. */
function bytesOf({ pieceSize, pieceSums, framed }: SavedCopy): number {
  const last = pieceSums.length - 1;
  if (last < 0) return 0;
  const frame = framed ? FRAME_BYTES : 0;
  const lastBytes = (parsePieceSum(pieceSums[last]!)?.length ?? 0) - frame;
  return last * contentSize({ pieceSize, framed, length: -1 }) + lastBytes;
}
