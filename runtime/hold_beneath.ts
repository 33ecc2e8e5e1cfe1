import type { TLSSocket } from "node:tls";
import { deno } from "./deno.ts";

/** What `node:tls` keeps of a connection to itself. */
interface Handle {
  readStart(): unknown;
  readStop(): unknown;
  /** The connection beneath the encryption. */
  _parent?: Partial<Pick<Handle, "readStart" | "readStop">>;
}

/**
 * Has a TLS connection whose reader pauses read no more from the network either, as it does by itself on Node.
 *
 * Deno (2.9.6) reads on beneath: all that a server sends piles up in memory, as far as the reader has not taken it, and
 * comes at once when that goes on, however often it pauses again. (Of 100 MB that were held every 5 MB, some 40 came
 * in one hold.) Nothing that `node:tls` documents reaches the connection beneath.
 *
 * @param socket whose handshake is done
 */
export function holdBeneath(socket: TLSSocket): void {
  if (!deno) return;
  const handle = (socket as unknown as { _handle?: Handle | null })._handle;
  const beneath = handle?._parent;
  if (!handle || !beneath?.readStart || !beneath.readStop) return;
  const { readStart, readStop } = handle;
  handle.readStop = () => {
    beneath.readStop!();
    return readStop.call(handle);
  };
  handle.readStart = () => {
    const started = readStart.call(handle);
    beneath.readStart!();
    return started;
  };
}
