import type { Duplex } from "node:stream";

/** How long the other side has to read what was said last and to close; as long as Apache gives it. */
const LINGER_MS = 2000;

const leaving = new WeakSet<Duplex>();

/**
 * Says a last word on a connection that is over, and closes it. What still comes is read and thrown away, for
 * a connection closed with bytes unread costs the client the word as well, and one that nobody reads never hears
 * that the client has closed. A client that goes on in spite of it is cut after `lingerMs`.
 */
export function hangUp(socket: Duplex, lastWord: string, lingerMs = LINGER_MS): void {
  if (leaving.has(socket)) return;
  leaving.add(socket);
  socket.on("error", () => {});
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const cut = setTimeout(() => socket.destroy(), lingerMs);
  cut.unref();
  socket.once("close", () => clearTimeout(cut));
  socket.end(lastWord);
  socket.resume();
}
