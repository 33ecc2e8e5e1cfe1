import type { ServerResponse } from "node:http";
import { FRAME_BYTES, frameHead, frameTail } from "../../protocol/piece_frame.ts";
import { parseRange } from "../../protocol/piece_range.ts";
import { MAX_PIECE_SIZE } from "../../protocol/piece_size.ts";
import { isMissing } from "../../runtime/config_file.ts";
import { blockBuffers } from "../store/block_buffers.ts";
import type { Catalog, CatalogEntry } from "../store/catalog.ts";
import { plainText } from "./plain_text.ts";

/** What a peer asks for (protocol §2): `Range`, `pieceNum`, `pieceSize` and `cdnSource` headers. */
interface PieceRequest {
  /** First byte of the content in the file. */
  offset: number;
  /** Bytes of content at most. */
  length: number;
  piece: number;
  pieceSize: number;
  framed: boolean;
}

const HEAD_BYTES = 4;

/**
 * Answers a peer with a piece: 206 and the piece, framed unless the peer asks for `cdnSource: source`.
 * Hot path: one read from disk into one buffer, which is the whole answer.
 *
 * @param outgoing the answer on its connection: when it is out the buffer is used again
 */
export async function sendPiece(
  catalog: Catalog,
  entry: CatalogEntry,
  headers: Headers,
  outgoing?: ServerResponse,
): Promise<Response> {
  const request = parsePieceRequest(headers);
  if (typeof request === "string") return plainText(400, request);
  const { offset, length, framed, pieceSize } = request;

  const { file } = entry;
  let size: number;
  let readInto: (target: Uint8Array, at: number) => Promise<void>;
  if (file && !file.closed) {
    // Between what has been written there may be holes: only pieces that are here are handed out.
    const known = file.layout.length;
    if (!file.holds(offset, length) && (known < 0 || !isBeyond(offset, known)))
      return plainText(404, `no piece ${request.piece} here`);
    size = known >= 0 ? known : offset + length;
    readInto = (target, at) => file.readInto(target, at);
  } else {
    try {
      const handle = await catalog.openForeign(entry);
      size = (await handle.stat()).size;
      readInto = async (target, at) => {
        const { bytesRead } = await handle.read(target, 0, target.byteLength, at);
        if (bytesRead !== target.byteLength) throw new Error("the file has shrunk");
      };
    } catch (error) {
      return isMissing(error)
        ? plainText(404, "the file is gone")
        : plainText(500, "the file cannot be read");
    }
  }
  if (isBeyond(offset, size)) return plainText(416, "the range lies beyond the end");

  const content = Math.min(length, size - offset);
  const largest = Math.min(pieceSize, MAX_PIECE_SIZE);
  if (content + (framed ? FRAME_BYTES : 0) > largest)
    return plainText(400, `invalid range: more than a piece of ${largest} bytes`);
  const body = blockBuffers.take(framed ? content + FRAME_BYTES : content);
  try {
    await readInto(framed ? body.subarray(HEAD_BYTES, HEAD_BYTES + content) : body, offset);
  } catch {
    blockBuffers.give(body);
    return plainText(404, "the file cannot be read any more");
  }
  if (framed) {
    body.set(frameHead(content, pieceSize), 0);
    body.set(frameTail(), HEAD_BYTES + content);
  }
  outgoing?.once("finish", () => blockBuffers.give(body));
  return new Response(body, {
    status: 206,
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(body.byteLength),
    },
  });
}

/** Whether a file of `size` bytes has nothing at `offset`; an empty one has its one empty piece at 0. */
function isBeyond(offset: number, size: number): boolean {
  return offset > size || (offset === size && size > 0);
}

/** Reads the headers; a text says what is wrong with them. */
function parsePieceRequest(headers: Headers): PieceRequest | string {
  const rangeText = headers.get("range") ?? "";
  const range = parseRange(rangeText.replace(/^bytes=/, ""));
  if (!range) return `invalid range: ${rangeText}`;
  const piece = wholeNumber(headers.get("pieceNum"));
  if (piece === undefined) return `invalid pieceNum: ${headers.get("pieceNum") ?? ""}`;
  const pieceSize = wholeNumber(headers.get("pieceSize"));
  if (pieceSize === undefined) return `invalid pieceSize: ${headers.get("pieceSize") ?? ""}`;
  const framed = headers.get("cdnSource")?.toLowerCase() !== "source";
  const wireLength = range.end - range.start + 1;
  const frame = framed ? FRAME_BYTES : 0;
  const offset = range.start - frame * piece;
  if (wireLength < frame || offset < 0) return `invalid range: ${rangeText} for piece ${piece}`;
  return { offset, length: wireLength - frame, piece, pieceSize, framed };
}

function wholeNumber(value: string | null): number | undefined {
  return value !== null && /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}
