import type { FileHandle } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { MOST_BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { BuffersBySize } from "../../runtime/buffers_by_size.ts";
import { readFully } from "../../runtime/files.ts";
import { CROWDED_BYTES } from "../../runtime/held_bytes.ts";
import { sendChunks } from "../../runtime/send_chunks.ts";

const buffers = new BuffersBySize(CROWDED_BYTES, MOST_BLOCK_BYTES);

/** An answer with bytes of a copy. */
export interface CopyAnswer {
  status: 200 | 206;
  /** `content-length` among them. */
  headers: Record<string, string>;
  /** Bytes of the body. */
  bytes: number;
  /**
   * Where in the copy's file byte `at` of the body lies, and how many bytes from there on are to be sent at once; of a
   * copy that is being made once they are there.
   */
  place(at: number): Promise<{ position: number; length: number }>;
  /** The system has taken so many bytes of the body, from byte `at` on. */
  onTaken?(at: number, length: number): void;
}

/** The refusal where a range lies beyond the end of what there is. */
export function beyondTheEnd(size: number): Response {
  return new Response(null, { status: 416, headers: { "content-range": `bytes */${size}` } });
}

/**
 * Sends bytes of a copy: each is read into memory that is used again, for a piece of 12 MB each time anew had the whole
 * heap collected once for each of them.
 *
 * @param file the copy; closed when the answer is out or has failed
 */
export async function sendCopy(
  outgoing: ServerResponse,
  file: FileHandle,
  { status, headers, bytes, place, onTaken }: CopyAnswer,
): Promise<void> {
  try {
    outgoing.writeHead(status, headers);
    await sendChunks(outgoing, {
      bytes,
      async read(at) {
        const { position, length } = await place(at);
        const chunk = buffers.take(length);
        if ((await readFully(file, chunk, position)) < length)
          throw new Error("the file became shorter while it was read");
        return chunk;
      },
      give: (chunk, at) => {
        onTaken?.(at, chunk.byteLength);
        buffers.give(chunk);
      },
    });
  } catch {
    // The head is out: only a broken connection says that the body is not whole.
    outgoing.destroy();
  } finally {
    await file.close().catch(() => {});
  }
}
