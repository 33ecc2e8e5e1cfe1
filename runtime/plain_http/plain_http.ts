import { connect } from "node:net";
import type { Proof } from "../links/links.ts";
import type { PlainRequest, Way } from "./connection.ts";
import { Connections } from "./connections.ts";

/** Where a server is. */
export interface Place {
  /** Address or name. */
  host: string;
  port: number;
}

/** A GET to one of our own programs. */
export interface OwnRequest extends Omit<PlainRequest, "method" | "headers"> {
  headers?: Readonly<Record<string, string>>;
}

/** Milliseconds for which a connection is kept: servers close theirs after 5 s. */
const KEPT_MS = 4000;

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
  readonly #connections = new Connections(KEPT_MS);

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
   * @throws {PlainHttpError} {@link BadResponseError} as `Connection.send` does
   */
  async get(place: Place, request: OwnRequest): Promise<void> {
    const authority = `${place.host.includes(":") ? `[${place.host}]` : place.host}:${place.port}`;
    // What a supernode says may hold anything: a URL has no line ends.
    const { pathname, search } = new URL(`http://${authority}${request.path}`);
    const path = pathname + search;
    const proof = this.#proof;
    const signed = proof?.kind === "secret" ? proof.sign({ method: "GET", target: path }) : {};
    const headers = { host: authority, ...request.headers, ...signed };
    await this.#connections.send(this.#wayTo(place, authority), { ...request, path, headers });
  }

  /** Ends the connections that nobody uses; running requests go on. */
  close(): void {
    this.#connections.close();
  }

  #wayTo({ host, port }: Place, authority: string): Way {
    const address = this.#hostAliases[host] ?? host;
    const proof = this.#proof;
    if (proof?.kind !== "tls") {
      return {
        key: authority,
        ready: "connect",
        connect: (onread) => connect({ host: address, port, noDelay: true, onread }),
      };
    }
    const server = `${host} ${address}:${port}`;
    return {
      key: authority,
      ready: "secureConnect",
      connect: (onread) => {
        const options = { host: address, port, noDelay: true, onread };
        return proof.sessions.connect(server, { ...options, ...proof.clientOptions(host) });
      },
    };
  }
}
