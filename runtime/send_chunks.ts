import type { ServerResponse } from "node:http";

/** A body that is sent from memory that is used again. */
export interface ChunkedBody {
  /** Of all of it. */
  bytes: number;
  /** What is to be sent from byte `at` on, as much as is to be sent at once; of what is not over at least a byte. */
  read(at: number): Promise<Uint8Array>;
  /** The system has taken what {@link ChunkedBody.read} gave of byte `at`: its memory may be used for something else. */
  give(chunk: Uint8Array, at: number): void;
}

/**
 * Sends a body whose head has been written, and ends the answer. No more than a chunk of it is in memory, however slowly
 * the other side takes it. Resolves when all of it has been handed over, or the other side has gone.
 *
 * @throws what reading throws: the head is out, so that only a broken connection can say that the body is not whole
 */
export async function sendChunks(outgoing: ServerResponse, body: ChunkedBody): Promise<void> {
  // One that hangs up is no reason to stop the process.
  outgoing.on("error", () => {});
  let end = 0;
  do {
    const at = end;
    const chunk = await body.read(at);
    end += chunk.byteLength;
    if (!(await isTaken(outgoing, chunk, end >= body.bytes))) return;
    body.give(chunk, at);
  } while (end < body.bytes);
}

/** Resolves when the system has taken the bytes; `false` where the other side has gone instead. */
function isTaken(outgoing: ServerResponse, bytes: Uint8Array, isLast: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    if (outgoing.closed) return resolve(false);
    const gone = () => resolve(false);
    outgoing.once("close", gone);
    const taken = (error?: Error | null) => {
      outgoing.off("close", gone);
      resolve(!error);
    };
    if (isLast) outgoing.end(bytes, taken);
    else outgoing.write(bytes, taken);
  });
}
