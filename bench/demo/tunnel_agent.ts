import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";

/** Milliseconds without a byte after which a connection counts as dead. */
export const IDLE_MS = 60_000;
export const SILENCE = `nothing received for ${IDLE_MS / 1000} s`;

export interface TunnelTarget {
  /** A plain HTTP proxy. */
  proxy: { hostname: string; port: number };
  /** The host behind it; also the name that its certificate must bear. */
  host: string;
  port: number;
  /** The authority to trust, PEM. */
  ca: string;
}

/** Opens its connections to one host through a proxy: CONNECT, then TLS inside. */
export class TunnelAgent extends https.Agent {
  readonly #target: TunnelTarget;
  readonly #opening = new Set<{ destroy(error?: Error): unknown }>();

  constructor(target: TunnelTarget, maxSockets: number) {
    super({ keepAlive: true, maxSockets });
    this.#target = target;
  }

  override createConnection(
    _options: https.RequestOptions,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#open().then(
      (stream) => callback(null, stream),
      (error: Error) => {
        const { hostname, port } = this.#target.proxy;
        const reason = new Error(`proxy ${hostname}:${port}: ${error.message}`);
        callback(reason, undefined as unknown as Duplex);
      },
    );
    return undefined;
  }

  override destroy(): void {
    super.destroy();
    // Node's agent knows of a connection only once it stands.
    for (const opening of this.#opening) opening.destroy();
  }

  async #open(): Promise<Duplex> {
    const { proxy, host, port, ca } = this.#target;
    const target = `${host}:${port}`;
    const request = http.request({
      agent: false,
      host: proxy.hostname,
      port: proxy.port,
      method: "CONNECT",
      path: target,
      headers: { host: target },
    });
    const socket = await this.#step<Socket>(request, (resolve, reject) => {
      request.setTimeout(IDLE_MS, () => reject(new Error(SILENCE)));
      request.on("connect", (answer: IncomingMessage, tunnel: Socket, head: Buffer) => {
        if (head.byteLength > 0) tunnel.unshift(head);
        if (answer.statusCode === 200) resolve(tunnel);
        else reject(new Error(`the answer to CONNECT is ${answer.statusCode}, not 200`));
      });
      request.end();
    });
    const secure = tls.connect({ socket, servername: host, ca });
    return this.#step<Duplex>(secure, (resolve, reject) => {
      secure.setTimeout(IDLE_MS, () => reject(new Error(SILENCE)));
      secure.once("secureConnect", () => {
        secure.setTimeout(0);
        resolve(secure);
      });
    });
  }

  /** One step of opening a connection: `destroy` can end it, and so does its failure. */
  #step<Result>(
    emitter: ClientRequest | tls.TLSSocket,
    run: (resolve: (result: Result) => void, reject: (error: Error) => void) => void,
  ): Promise<Result> {
    this.#opening.add(emitter);
    return new Promise<Result>((resolve, reject) => {
      emitter.once("error", reject);
      emitter.once("close", () => reject(new Error("the connection was closed")));
      run(resolve, reject);
    })
      .catch((error: Error) => {
        emitter.destroy();
        throw error;
      })
      .finally(() => this.#opening.delete(emitter));
  }
}
