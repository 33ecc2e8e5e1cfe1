import { Connection, type PlainRequest, type Way } from "./connection.ts";

/** Connections to one server that are kept, at most. */
const MOST_KEPT = 16;
/** … and beyond those so many for a moment: fifty layers at once would have a handshake for each run of blocks. */
const MOST_KEPT_BRIEFLY = 64;
/** Milliseconds. */
const BRIEFLY_MS = 1000;

/** Connections to servers, used again as long as both sides keep them. */
export class Connections {
  readonly #keptMs: number;
  readonly #kept = new Map<string, Connection[]>();

  /** @param keptMs milliseconds for which one that nobody uses is kept */
  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  /**
   * Resolves when the whole answer has been handed to the request, whatever its status.
   *
   * A kept connection may have been closed before it took the request: then it is sent again, by a new one; and
   * where that is closed before any answer, as by a server that is started again, once more.
   *
   * @throws {PlainHttpError} {@link BadResponseError} as `Connection.send` does
   */
  async send(way: Way, request: PlainRequest): Promise<void> {
    // A connection that is opened for nobody would be nobody's to close.
    request.signal?.throwIfAborted();
    const kept = this.#take(way.key);
    const tries = [...(kept ? [kept] : []), undefined, undefined];
    for (const [index, one] of tries.entries()) {
      const connection = one ?? new Connection(way);
      try {
        await connection.send(request);
      } catch (error) {
        const isLast = index === tries.length - 1;
        if (isLast || !connection.stale || request.signal?.aborted) throw error;
        continue;
      }
      this.#keep(way.key, connection);
      return;
    }
  }

  /** Ends the connections that nobody uses; running requests go on. */
  close(): void {
    for (const connections of this.#kept.values()) {
      for (const connection of connections) connection.close();
    }
    this.#kept.clear();
  }

  #take(key: string): Connection | undefined {
    const connections = this.#kept.get(key);
    for (let last = connections?.pop(); last; last = connections?.pop()) {
      if (last.usable) return last;
    }
    this.#kept.delete(key);
    return undefined;
  }

  #keep(key: string, connection: Connection): void {
    if (!connection.usable) return;
    const connections = (this.#kept.get(key) ?? []).filter(({ usable }) => usable);
    if (connections.length >= MOST_KEPT_BRIEFLY) {
      connection.close();
      return;
    }
    connection.rest(connections.length < MOST_KEPT ? this.#keptMs : BRIEFLY_MS);
    this.#kept.set(key, [...connections, connection]);
  }
}
