import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { FRAME_BYTES, FRAME_HEAD_BYTES, frameHead, frameTail } from "../../protocol/piece_frame.ts";
import { parseRange } from "../../protocol/piece_range.ts";
import { MAX_PIECE_SIZE } from "../../protocol/piece_size.ts";
import { MOST_BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { isMissing } from "../../runtime/config_file.ts";
import { HeldBytes } from "../../runtime/held_bytes.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { biteOf } from "../../runtime/rate_limit/within_limits.ts";
import { sendChunks } from "../../runtime/send_chunks.ts";
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

/** Reads bytes of the file into `target`, all of it. */
type ReadInto = (target: Uint8Array, offset: number) => Promise<void>;

/**
 * Bytes read and sent at a time. Memory stays bounded by the connections, whatever the pieces' size, and
 * what was read is still in the processor's cache when it is sent. Under a limit they are fewer: see {@link biteOf}.
 */
const CHUNK_BYTES = MOST_BLOCK_BYTES;
/** Fewer, too, while so many bytes are held for others already, who may read them never. */
const held = new HeldBytes(256 * 1024 * 1024);

/**
 * Answers a peer with a piece: 206 and the piece, framed unless the peer asks for `cdnSource: source`.
 * Hot path: each byte is read from disk into a buffer that is used again, and sent from there.
 *
 * @param outgoing the answer on its connection
 * @param limit on what is handed out of this file
 * @param onDamaged told where this process's own file is not on disk what it was
 * @returns the bytes that are on their way, or the refusal, which is still to be sent
 */
export async function sendPiece(
  catalog: Catalog,
  entry: CatalogEntry,
  headers: IncomingHttpHeaders,
  outgoing: ServerResponse,
  limit: RateLimit,
  onDamaged: () => void,
): Promise<number | Response> {
  const request = parsePieceRequest(headers);
  if (typeof request === "string") return plainText(400, request);
  const { offset, length, framed, pieceSize } = request;

  const { file } = entry;
  let size: number;
  let readInto: ReadInto;
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
  const bytes = content + (framed ? FRAME_BYTES : 0);
  const largest = Math.min(pieceSize, MAX_PIECE_SIZE);
  if (bytes > largest)
    return plainText(400, `invalid range: more than a piece of ${largest} bytes`);
  const chunk = held.chunk(CHUNK_BYTES, outgoing);
  const most = limit.rate > 0 ? Math.min(chunk, biteOf([limit])) : chunk;
  const read = (at: number) =>
    framed
      ? readFramed(readInto, { offset, content, pieceSize }, at, most)
      : readBare(readInto, { offset, content }, at, most);
  let first: Uint8Array;
  try {
    first = await read(0);
  } catch {
    if (file && !file.closed) onDamaged();
    return plainText(404, "the file cannot be read any more");
  }
  if (file && !file.closed) {
    const isRight = !(await file.isTamperedWith()) && (await file.isIntact(offset, content));
    if (!isRight) {
      blockBuffers.give(first);
      onDamaged();
      return plainText(404, "the file was changed on disk");
    }
  }
  outgoing.writeHead(206, {
    "content-type": "application/octet-stream",
    "content-length": bytes,
  });
  const passed = async (chunk: Uint8Array) => {
    await limit.pass(chunk.byteLength);
    return chunk;
  };
  const body = {
    bytes,
    read: async (at: number) => passed(at === 0 ? first : await read(at)),
    give: (chunk: Uint8Array) => blockBuffers.give(chunk),
  };
  sendChunks(outgoing, body).catch(() => {
    // The head is out: only a broken connection says that the piece is not whole.
    outgoing.destroy();
    if (file && !file.closed) onDamaged();
  });
  return bytes;
}

async function readBare(
  readInto: ReadInto,
  { offset, content }: { offset: number; content: number },
  at: number,
  most: number,
): Promise<Uint8Array> {
  const chunk = blockBuffers.take(Math.min(most, content - at));
  await readInto(chunk, offset + at);
  return chunk;
}

/** The bytes of a framed piece from `at` on: head, content, tail (protocol §2). */
async function readFramed(
  readInto: ReadInto,
  { offset, content, pieceSize }: { offset: number; content: number; pieceSize: number },
  at: number,
  most: number,
): Promise<Uint8Array> {
  const bytes = content + FRAME_BYTES;
  const chunk = blockBuffers.take(Math.min(most, bytes - at));
  const head = at === 0 ? FRAME_HEAD_BYTES : 0;
  const tail = at + chunk.byteLength === bytes ? FRAME_BYTES - FRAME_HEAD_BYTES : 0;
  const body = chunk.subarray(head, chunk.byteLength - tail);
  if (head > 0) chunk.set(frameHead(content, pieceSize), 0);
  if (tail > 0) chunk.set(frameTail(), chunk.byteLength - tail);
  await readInto(body, offset + Math.max(0, at - FRAME_HEAD_BYTES));
  return chunk;
}

/** Whether a file of `size` bytes has nothing at `offset`; an empty one has its one empty piece at 0. */
function isBeyond(offset: number, size: number): boolean {
  return offset > size || (offset === size && size > 0);
}

/** Reads the headers; a text says what is wrong with them. */
function parsePieceRequest(headers: IncomingHttpHeaders): PieceRequest | string {
  const rangeText = headers.range ?? "";
  const range = parseRange(rangeText.replace(/^bytes=/, ""));
  if (!range) return `invalid range: ${rangeText}`;
  const { piecenum, piecesize, cdnsource } = headers;
  const piece = wholeNumber(piecenum);
  if (piece === undefined) return `invalid pieceNum: ${piecenum ?? ""}`;
  const pieceSize = wholeNumber(piecesize);
  if (pieceSize === undefined) return `invalid pieceSize: ${piecesize ?? ""}`;
  const framed = String(cdnsource).toLowerCase() !== "source";
  const wireLength = range.end - range.start + 1;
  const frame = framed ? FRAME_BYTES : 0;
  const offset = range.start - frame * piece;
  if (wireLength < frame || offset < 0) return `invalid range: ${rangeText} for piece ${piece}`;
  return { offset, length: wireLength - frame, piece, pieceSize, framed };
}

function wholeNumber(value: string | string[] | undefined): number | undefined {
  return typeof value === "string" && /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}
