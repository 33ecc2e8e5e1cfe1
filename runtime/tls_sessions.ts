import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { holdBeneath } from "./hold_beneath.ts";

/** Servers whose sessions are kept, at most. */
const MOST = 1000;

/** The TLS session that each server last offered, to save the next handshake's signatures. */
export class TlsSessions {
  readonly #sessions = new Map<string, Buffer>();

  /**
   * Connects, and takes up the server's last session.
   *
   * @param server what tells servers, and ways to trust them, apart
   */
  connect(server: string, options: ConnectionOptions): TLSSocket {
    const session = this.#sessions.get(server);
    const socket = connect({ ...options, ...(session ? { session } : {}) });
    socket.on("session", (offered) => this.#keep(server, offered));
    socket.once("secureConnect", () => holdBeneath(socket));
    return socket;
  }

  /** Another certificate is in use: what was agreed with the old one is not taken up. */
  clear(): void {
    this.#sessions.clear();
  }

  #keep(server: string, session: Buffer): void {
    this.#sessions.delete(server);
    this.#sessions.set(server, session);
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= MOST) break;
      this.#sessions.delete(oldest);
    }
  }
}
