import type { Proof } from "../links/links.ts";
import { Connection, type Place, type PlainRequest } from "./connection.ts";

/** Milliseconds for which a connection is kept: servers close theirs after 5 s. */
const KEPT_MS = 4000;
/** Connections to one server that are kept, at most. */
const MOST_KEPT = 16;

/**
 * GETs over plain HTTP/1.1, for what peers tell and hand each other: small answers by the thousand, and
 * blocks by the gigabyte. For everything else there is `HttpClient`.
 *
 * @example
 * ```ts
 * const http = new PlainHttp();
 * await http.get({ host: "127.0.0.1", port: 15001 }, {
 *   path: "/peer/file/a",
 *   connectTimeoutMs: 1000,
 *   idleTimeoutMs: 5000,
 *   onHead: ({ status }) => console.log(status),
 *   onBody: (chunk) => void target.set(chunk, filled),
 * });
 * ```
 */
export class PlainHttp {
  readonly #hostAliases: Readonly<Record<string, string>>;
  readonly #proof: Proof | undefined;
  readonly #kept = new Map<string, Connection[]>();

  /**
   * @param hostAliases addresses to connect to instead of these hosts
   * @param proof how to prove to those who are asked that this is one of our own programs
   */
  constructor(hostAliases: Readonly<Record<string, string>> = {}, proof?: Proof) {
    this.#hostAliases = hostAliases;
    this.#proof = proof;
  }

  /**
   * Resolves when the whole answer has been handed to the request, whatever its status.
   *
   * @throws {PlainHttpError} {@link BadResponseError} as `Connection.get` does
   */
  async get(place: Place, request: PlainRequest): Promise<void> {
    const authority = `${place.host.includes(":") ? `[${place.host}]` : place.host}:${place.port}`;
    const address = this.#hostAliases[place.host] ?? place.host;
    const connect = () => new Connection({ ...place, address }, this.#proof);
    const kept = this.#take(authority);
    let connection = kept ?? connect();
    try {
      await connection.get(request, authority);
    } catch (error) {
      if (connection !== kept || !connection.stale || request.signal?.aborted) throw error;
      connection = connect();
      await connection.get(request, authority);
    }
    this.#keep(authority, connection);
  }

  /** Ends the connections that nobody uses; running requests go on. */
  close(): void {
    for (const connections of this.#kept.values()) {
      for (const connection of connections) connection.close();
    }
    this.#kept.clear();
  }

  #take(authority: string): Connection | undefined {
    const connections = this.#kept.get(authority);
    for (let last = connections?.pop(); last; last = connections?.pop()) {
      if (last.usable) return last;
    }
    this.#kept.delete(authority);
    return undefined;
  }

  #keep(authority: string, connection: Connection): void {
    if (!connection.usable) return;
    const connections = (this.#kept.get(authority) ?? []).filter(({ usable }) => usable);
    if (connections.length >= MOST_KEPT) {
      connection.close();
      return;
    }
    connection.rest(KEPT_MS);
    this.#kept.set(authority, [...connections, connection]);
  }
}
