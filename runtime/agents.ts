import http from "node:http";
import https from "node:https";

/** Connections to one server that are kept though nobody uses them, at most. */
const MAX_FREE_SOCKETS = 16;

/** The connections of a client by `node:http`, used again as long as both sides keep them. */
export class Agents {
  readonly #options: http.AgentOptions;
  readonly #http: http.Agent;
  readonly #https: https.Agent;
  /** For our own programs, by mutual TLS. */
  #own: https.Agent;

  /** @param maxSockets connections to one server at most */
  constructor(maxSockets: number) {
    this.#options = { keepAlive: true, maxSockets, maxFreeSockets: MAX_FREE_SOCKETS };
    this.#http = new http.Agent(this.#options);
    this.#https = new https.Agent(this.#options);
    this.#own = new https.Agent(this.#options);
  }

  /** @param kind `own`: one of our own programs, by mutual TLS */
  of(kind: "http" | "https" | "own"): http.Agent {
    return { http: this.#http, https: this.#https, own: this.#own }[kind];
  }

  /** Our own certificate is another: requests under way go on, and those that come show the new one. */
  renewOwn(): void {
    closeIdle(this.#own);
    this.#own = new https.Agent(this.#options);
  }

  /** Ends the connections that only wait to be used again. */
  closeIdle(): void {
    for (const agent of [this.#http, this.#https, this.#own]) closeIdle(agent);
  }

  /** Ends all idle connections, and keeps none any more. */
  destroy(): void {
    for (const agent of [this.#own, this.#http, this.#https]) agent.destroy();
  }
}

function closeIdle(agent: http.Agent): void {
  const idle = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
  for (const socket of idle) socket.destroy();
}
