import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener, RequestError } from "@hono/node-server";
import { deno } from "./deno.ts";
import { hangUp } from "./hang_up.ts";
import { holdBeneath } from "./hold_beneath.ts";
import { keepAccepting } from "./keep_accepting.ts";
import type { Links } from "./links/links.ts";
import { ListenError } from "./listen_error.ts";

/** What a handler can reach of the connection a request came by (Hono's `c.env`). */
export interface ConnectionEnv {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
}

export type FetchHandler = (request: Request, env: ConnectionEnv) => Response | Promise<Response>;

/** What every server of ours has where {@link ServeOptions} say nothing else; explained there. */
export const SERVE_LIMITS = {
  maxHeaderBytes: 64 * 1024,
  maxUrlBytes: 32 * 1024,
  requestTimeoutMs: 120_000,
  headersTimeoutMs: 60_000,
  /** Milliseconds after an answer in which a connection waits for the next request. */
  keepAliveMs: 75_000,
  idleTimeoutMs: 15 * 60_000,
  maxConnectionsPerClient: 4096,
  /** Requests of one connection that wait for their answers; clients that send ahead at all send about ten. */
  maxUnanswered: 32,
} as const;

/** Connections that wait to be accepted, at most; the system may allow fewer. */
const BACKLOG = 4096;

export interface ServeOptions {
  /** A Hono app's `fetch`. */
  fetch: FetchHandler;
  /** Address to listen on. */
  hostname: string;
  /** Port to listen on; 0 takes a free one. */
  port: number;
  /** Serve by TLS with this certificate chain and key, PEM both. */
  tls?: { cert: string; key: string } | undefined;
  /** Serve our own programs alone: who cannot prove to be one is refused. */
  links?: Links | undefined;
  /**
   * Sees every request before the app does: `true` means that it answers on the node response itself,
   * for those who must hand headers and bytes on exactly as they came.
   */
  onRequest?: (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;
  /** Takes CONNECT requests; without it they are refused. */
  onConnect?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Bytes of all request headers at most. Default: 64 KiB. */
  maxHeaderBytes?: number;
  /** Bytes of a request's URL at most: object storages sign long ones. Default: 32 KiB. */
  maxUrlBytes?: number;
  /** Bytes of a request's body at most; more is answered with 413. Default: no limit. */
  maxBodyBytes?: number;
  /** Milliseconds until a request must have come whole; 0: no limit. Default: 2 min. */
  requestTimeoutMs?: number;
  /** Milliseconds until a request's headers must have come; also on a connection that has sent nothing yet, and those of TLS's handshake. Default: 60 s. */
  headersTimeoutMs?: number;
  /** Milliseconds without a byte either way after which a connection is cut. Default: 15 min. */
  idleTimeoutMs?: number;
  /** Connections of one address at most; more are cut. Default: 4096. */
  maxConnectionsPerClient?: number;
}

export interface RunningServer {
  hostname: string;
  port: number;
  /** Feeds the server a connection that somebody else accepted (and decrypted). */
  adopt(socket: Duplex): void;
  /** Shows another certificate to clients that connect from now on; of no effect without TLS. */
  setCertificate(tls: { cert: string; key: string }): void;
  /** Stops accepting, lets requests in flight end for `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Serves a Hono app by `node:http`, on Node and Deno alike.
 *
 * @throws {ListenError} when the address is taken or not ours
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const app = getRequestListener(options.fetch as Parameters<typeof getRequestListener>[0], {
    overrideGlobalObjects: !deno,
    errorHandler: (error) =>
      error instanceof RequestError
        ? new Response(`${error.message}\n`, { status: 400 })
        : new Response("internal error\n", { status: 500 }),
  });
  const { maxBodyBytes = Number.POSITIVE_INFINITY } = options;
  const { maxUrlBytes, ...limits } = { ...SERVE_LIMITS, ...options };
  const { headersTimeoutMs: headersTimeout } = limits;
  const unanswered = new UnansweredRequests();
  const { proof } = options.links ?? {};
  const mutualTls = proof?.kind === "tls" ? proof : undefined;
  const secret = proof?.kind === "secret" ? proof : undefined;
  const tls = mutualTls?.serverOptions ?? options.tls;
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    // Each holds its answer in memory until its turn has come.
    if (unanswered.begin(incoming.socket, outgoing) > SERVE_LIMITS.maxUnanswered)
      return void incoming.socket.destroy();
    const stranger = secret?.refuse(incoming);
    if (stranger) refuseRequest(incoming, outgoing, 401, stranger);
    else if ((incoming.url ?? "").length > maxUrlBytes)
      refuseRequest(incoming, outgoing, 414, `the URL is longer than ${maxUrlBytes} bytes`);
    else if (Number(incoming.headers["content-length"] ?? 0) > maxBodyBytes)
      refuseRequest(incoming, outgoing, 413, `the body is longer than ${maxBodyBytes} bytes`);
    else if (!options.onRequest?.(incoming, outgoing)) void app(incoming, outgoing);
  };
  const serverOptions = {
    maxHeaderSize: limits.maxHeaderBytes,
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout,
    // Node looks for late ones every so often only.
    connectionsCheckingInterval: Math.min(headersTimeout, 30_000),
    keepAliveTimeout: limits.keepAliveMs,
    noDelay: true,
  };
  const server = tls
    ? https.createServer(
        {
          ...serverOptions,
          ...tls,
          handshakeTimeout: headersTimeout,
          ALPNProtocols: ["http/1.1"],
          // Which cipher its processor does fast each client knows best: Go's ask for AES-128 first.
          honorCipherOrder: false,
        },
        listener,
      )
    : http.createServer(serverOptions, listener);
  // `close` must also reach what was adopted or upgraded, which node's own bookkeeping does not see.
  const connections = new Set<Duplex>();
  const track = (socket: Duplex) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  };
  server.on(tls ? "secureConnection" : "connection", track);
  if (tls) server.on("secureConnection", holdBeneath);
  server.timeout = limits.idleTimeoutMs;
  const adopted = new WeakSet<Duplex>();
  limitClients(server, limits.maxConnectionsPerClient, adopted);
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === "ECONNRESET") socket.destroy();
    else hangUp(socket, lastWord(statusOf(error)));
  });
  if (tls) {
    server.on("tlsClientError", (error: Error, socket: Socket) => {
      mutualTls?.refused(socket.remoteAddress, error);
      socket.destroy();
    });
  }
  const forgetRenewal = mutualTls?.onRenewed(() => {
    if (server instanceof https.Server) server.setSecureContext(mutualTls.serverOptions);
  });
  const onConnect = options.onConnect ?? refuseConnect;
  server.on("connect", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // From here on its new owner knows how long it may be idle.
    (socket as Socket).setTimeout?.(0);
    if (unanswered.has(socket)) socket.destroy();
    else onConnect(request, socket, head);
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const where = `${options.hostname}:${options.port}`;
      if (error.code === "EADDRINUSE")
        reject(
          new ListenError(
            `cannot listen on ${where}: another program has this port; ss -ltnp 'sport = :${options.port}' names it`,
            true,
          ),
        );
      // The latter is what Deno says of it.
      else if (error.code === "EADDRNOTAVAIL" || error.code === "EINVAL")
        reject(new ListenError(`cannot listen on ${where}: no such address on this host`));
      else if (error.code === "EACCES")
        reject(new ListenError(`cannot listen on ${where}: not permitted`));
      else reject(new ListenError(`cannot listen on ${where}: ${error.message}`));
    });
    server.listen({ host: options.hostname, port: options.port, backlog: BACKLOG }, resolve);
  });
  keepAccepting(server, BACKLOG);
  const address = server.address() as AddressInfo;
  return {
    hostname: options.hostname,
    port: address.port,
    adopt(socket) {
      track(socket);
      adopted.add(socket);
      server.emit(tls ? "secureConnection" : "connection", socket);
    },
    setCertificate(tls) {
      if (server instanceof https.Server) server.setSecureContext(tls);
    },
    async close(graceMs = 0) {
      forgetRenewal?.();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => {
        for (const socket of connections) socket.destroy();
      }, graceMs);
      await closed;
      clearTimeout(cut);
      for (const socket of connections) socket.destroy();
    },
  };
}

/**
 * The requests of each connection whose answers are still to be written. A client that sends CONNECT after
 * them without waiting would get these answers in the middle of its tunnel, and two that write into one
 * connection at once can bring Node's TLS down, with the process.
 */
class UnansweredRequests {
  readonly #waiting = new WeakMap<Duplex, Set<ServerResponse>>();

  /** @returns how many there are with this one */
  begin(socket: Duplex, outgoing: ServerResponse): number {
    let waiting = this.#waiting.get(socket);
    if (!waiting) {
      waiting = new Set();
      this.#waiting.set(socket, waiting);
      this.#watch(socket);
    }
    waiting.add(outgoing);
    outgoing.once("close", () => waiting.delete(outgoing));
    return waiting.size;
  }

  /** In a function of its own: what listens here must not keep the first request for as long as the connection is open. */
  #watch(socket: Duplex): void {
    socket.once("close", () => this.#hungUp(socket));
  }

  has(socket: Duplex): boolean {
    return (this.#waiting.get(socket)?.size ?? 0) > 0;
  }

  /**
   * Node tells only the answer that has its turn that the connection has closed. Those of requests behind it
   * would wait for their turn for ever, with all that they hold.
   */
  #hungUp(socket: Duplex): void {
    for (const outgoing of [...this.#waiting.get(socket)!]) {
      if (outgoing.socket) continue;
      outgoing.destroy();
      outgoing.emit("close");
    }
  }
}

/** Cuts what one address opens beyond so many connections: one client must not use up all there are. */
function limitClients(
  server: http.Server | https.Server,
  most: number,
  adopted: WeakSet<Duplex>,
): void {
  const open = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress;
    // What was adopted has been counted as the connection that it came by.
    if (!address || adopted.has(socket)) return;
    const count = open.get(address) ?? 0;
    if (count >= most) {
      socket.destroy();
      return;
    }
    open.set(address, count + 1);
    socket.once("close", () => {
      const left = open.get(address)! - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
  });
}

function refuseRequest(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  status: 401 | 413 | 414,
  reason: string,
): void {
  outgoing.on("error", () => {});
  const headers = { connection: "close", "content-type": "text/plain; charset=utf-8" };
  outgoing.writeHead(status, headers).end(`${reason}\n`);
  incoming.resume();
}

function refuseConnect(_request: IncomingMessage, socket: Duplex): void {
  hangUp(socket, lastWord("405 Method Not Allowed"));
}

function statusOf({ code }: NodeJS.ErrnoException): string {
  if (code === "HPE_HEADER_OVERFLOW") return "431 Request Header Fields Too Large";
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "408 Request Timeout";
  return "400 Bad Request";
}

function lastWord(status: string): string {
  return `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
}
