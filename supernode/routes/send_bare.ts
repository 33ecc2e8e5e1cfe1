import type { FileHandle } from "node:fs/promises";
import { FRAME_BYTES, FRAME_HEAD_BYTES } from "../../protocol/piece_frame.ts";
import { contentSize, pieceContent } from "../../protocol/piece_range.ts";
import { BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { parsePieceMd5 } from "../../protocol/v1/pull_piece.ts";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import type { SavedCopy } from "../seed/cache.ts";
import { readCopy } from "./read_copy.ts";

/**
 * Answers with bytes of the file that a framed copy holds, as far as it has come, without its frames.
 *
 * @param file the copy; closed when the answer is out, or not at all where that is not a 206
 * @param range as the header `Range` names it, in bytes of the file
 */
export function sendBare(file: FileHandle, copy: SavedCopy, range: string | undefined): Response {
  const { pieceSize, pieceMd5s } = copy;
  const layout = { pieceSize, framed: true, length: -1 };
  const last = pieceMd5s.length - 1;
  const size =
    last < 0
      ? 0
      : last * contentSize(layout) + (parsePieceMd5(pieceMd5s[last]!)?.length ?? 0) - FRAME_BYTES;
  const wanted = parseRangeHeader(range, size);
  if (wanted.kind !== "part")
    return new Response(null, { status: 416, headers: { "content-range": `bytes */${size}` } });
  let at = wanted.start;
  const end = wanted.end + 1;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const piece = Math.floor(at / contentSize(layout));
        const { offset, length } = pieceContent(piece, layout);
        const bytes = new Uint8Array(Math.min(BLOCK_BYTES, end - at, offset + length - at));
        await readCopy(file, bytes, piece * pieceSize + FRAME_HEAD_BYTES + at - offset);
        at += bytes.byteLength;
        controller.enqueue(bytes);
        if (at < end) return;
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      await file.close();
    },
    cancel: () => file.close(),
  });
  return new Response(body, {
    status: 206,
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(end - at),
      "content-range": `bytes ${wanted.start}-${wanted.end}/${size}`,
    },
  });
}
