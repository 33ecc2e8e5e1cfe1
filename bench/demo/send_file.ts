import { open } from "node:fs/promises";
import type { ServerResponse } from "node:http";

/** Bytes read from disk at once. */
const READ_BYTES = 1024 * 1024;
/** Bytes handed to the connection at once. */
const WRITE_BYTES = 256 * 1024;

/**
 * Writes a stretch of a file, both ends included, and ends the answer. It goes as fast as the other
 * side takes it, and stops where that has gone.
 *
 * @param count told of each part as it is handed to the connection
 */
export async function sendFile(
  outgoing: ServerResponse,
  path: string,
  start: number,
  end: number,
  count: (bytes: number) => void,
): Promise<void> {
  const file = await open(path);
  try {
    for (let offset = start; offset <= end; ) {
      // A new buffer each time: who still holds the last one is not ours to know.
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, end - offset + 1));
      const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, offset);
      if (bytesRead === 0) throw new Error(`${path} is shorter than it was`);
      for (let at = 0; at < bytesRead; at += WRITE_BYTES) {
        const part = buffer.subarray(at, Math.min(at + WRITE_BYTES, bytesRead));
        count(part.byteLength);
        if (!(await written(outgoing, part))) return;
      }
      offset += bytesRead;
    }
    outgoing.end();
  } catch (error) {
    // The head is out already: only a broken connection can say that the body is not whole.
    outgoing.destroy(error as Error);
  } finally {
    await file.close();
  }
}

/** Whether `bytes` could be handed on; settles once there is room for more. */
function written(outgoing: ServerResponse, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    if (outgoing.destroyed) return resolve(false);
    const gone = () => resolve(false);
    outgoing.once("close", gone);
    outgoing.write(bytes, (error) => {
      outgoing.off("close", gone);
      resolve(!error);
    });
  });
}
