import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import type { SecureContext, TLSSocket } from "node:tls";
import { CROWDED_MS, isCrowded } from "./crowded.ts";
import { holdBeneath } from "./hold_beneath.ts";
import { HttpError } from "./http_error.ts";
import type { Links, Proof } from "./links/links.ts";
import { explainTlsError } from "./links/mutual_tls.ts";
import { HttpReader } from "./plain_http/http_reader.ts";
import { PlainHttp } from "./plain_http/plain_http.ts";
import { redactUrl } from "./redact_url.ts";
import { followRedirects, redirectOf } from "./redirect.ts";
import {
  ForbiddenError,
  forbidden,
  guardedLookup,
  type RequestGuard,
  serverOf,
} from "./request_guard.ts";
import { type TlsTrust, tlsOptions } from "./tls_trust.ts";

export interface HttpClientOptions {
  /** Connections to one host at most. Default: 64. */
  maxSockets?: number;
  /** Milliseconds until TCP and TLS must stand. Default: 5000. */
  connectTimeoutMs?: number;
  /** Milliseconds without a byte, unless the reader pauses, after which a request fails. Default: 30000. */
  idleTimeoutMs?: number;
  /** Addresses to use instead of what the resolver says for a host name, like `curl --resolve`. */
  hostAliases?: Readonly<Record<string, string>>;
  /** Absent: anybody may be asked. */
  guard?: RequestGuard | undefined;
  /** How to prove to our own programs that this is one of them; absent: they do not ask. */
  links?: Links | undefined;
}

export interface HttpRequestInit {
  method?: string;
  headers?: Readonly<Record<string, string | string[]>>;
  body?: string | Uint8Array | NodeJS.ReadableStream | undefined;
  signal?: AbortSignal | undefined;
  tls?: TlsTrust | undefined;
  /** The address of this host to ask from, where it has several. */
  localAddress?: string | undefined;
  connectTimeoutMs?: number;
  idleTimeoutMs?: number;
  /** Redirects to follow at most; 0 hands the redirect to the caller. Default: 0. */
  maxRedirects?: number;
  /**
   * The URL, `http://…`, is one of our own programs: it is asked by TLS, or by a signed request, where these
   * prove themselves to each other.
   */
  own?: boolean;
  /**
   * Use a connection of its own, not one kept from before: for requests that must not be sent twice,
   * for the other side may be closing the kept one at this very moment.
   */
  fresh?: boolean;
}

/** An answer whose body is still to be read: read it, or `body.destroy()` it. */
export interface HttpResponse {
  status: number;
  statusText: string;
  /** Names in lower case. */
  headers: http.IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  rawHeaders: string[];
  body: IncomingMessage;
  /** Where the answer came from after redirects. */
  url: string;
}

const MAX_HEADER_BYTES = 64 * 1024;
/** May be sent again when a connection turns out to be closed before an answer (RFC 9110 §9.2.1, §9.2.2). */
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * An HTTP client for pieces, sources and the supernode: keep-alive, bounded waiting, and no regard
 * for `HTTP_PROXY` (a node's proxy is often dfdaemon itself). It uses `node:http` on both runtimes,
 * which moves bytes with less work than `fetch` does.
 */
export class HttpClient {
  /** For what comes from peers in great numbers. */
  readonly plain: PlainHttp;
  /** For what comes from sources by the gigabyte, and for what is asked of them before. */
  readonly reader: HttpReader;
  readonly #http: http.Agent;
  readonly #https: https.Agent;
  readonly #options: Required<Omit<HttpClientOptions, "guard" | "links">>;
  readonly #guard: RequestGuard | undefined;
  readonly #proof: Proof | undefined;
  /** For our own programs, by TLS. */
  #own: https.Agent;
  readonly #forgetRenewal: (() => void) | undefined;

  constructor(options: HttpClientOptions = {}) {
    this.#options = {
      maxSockets: options.maxSockets ?? 64,
      connectTimeoutMs: options.connectTimeoutMs ?? 5000,
      idleTimeoutMs: options.idleTimeoutMs ?? 30_000,
      hostAliases: options.hostAliases ?? {},
    };
    this.#guard = options.guard;
    this.#proof = options.links?.proof;
    this.plain = new PlainHttp(this.#options.hostAliases, this.#proof);
    const onCrowded = () => this.#closeIdle();
    this.reader = new HttpReader({ ...this.#options, guard: options.guard, onCrowded });
    const agentOptions = {
      keepAlive: true,
      maxSockets: this.#options.maxSockets,
      maxFreeSockets: 16,
    };
    this.#http = new http.Agent(agentOptions);
    this.#https = new https.Agent(agentOptions);
    this.#own = this.#https;
    if (this.#proof?.kind === "tls") {
      this.#own = new https.Agent(agentOptions);
      this.#forgetRenewal = this.#proof.onRenewed(() => {
        // What is under way goes on; what comes shows the new certificate.
        this.plain.close();
        closeIdle(this.#own);
        this.#own = new https.Agent(agentOptions);
      });
    }
  }

  /**
   * Sends a request and resolves with the head of its answer, whatever the status.
   *
   * @throws {HttpError} when there is no answer, {ForbiddenError} when the guard refuses
   */
  request(url: string, init: HttpRequestInit = {}): Promise<HttpResponse> {
    return followRedirects(url, init, async (target, headers, mayFollow) => {
      const response = await this.#send(target, headers, init);
      if (!mayFollow) return response;
      try {
        const next = redirectOf(target, response.status, response.headers.location);
        if (!next) return response;
        response.body.resume();
        return next;
      } catch (error) {
        response.body.destroy();
        throw error;
      }
    });
  }

  /** Sends a request and reads its answer as text, at most `limit` bytes of it. */
  async text(
    url: string,
    init: HttpRequestInit = {},
    limit = 4 * 1024 * 1024,
  ): Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string }> {
    const response = await this.request(url, init);
    const body = await readBody(response, limit);
    return {
      status: response.status,
      headers: response.headers,
      text: new TextDecoder().decode(body),
    };
  }

  /** Ends all idle connections; running requests go on. */
  close(): void {
    this.#forgetRenewal?.();
    this.plain.close();
    this.reader.close();
    this.#own.destroy();
    this.#http.destroy();
    this.#https.destroy();
  }

  #closeIdle(): void {
    for (const agent of [this.#http, this.#https, this.#own]) closeIdle(agent);
  }

  async #send(
    target: URL,
    headers: Record<string, string | string[]>,
    init: HttpRequestInit,
    sinceMs = performance.now(),
    isRepeated = false,
  ): Promise<HttpResponse> {
    const mutualTls = init.own && this.#proof?.kind === "tls" ? this.#proof : undefined;
    const secret = init.own && this.#proof?.kind === "secret" ? this.#proof : undefined;
    const secure = mutualTls !== undefined || target.protocol === "https:";
    const connectMs = init.connectTimeoutMs ?? this.#options.connectTimeoutMs;
    const idleMs = init.idleTimeoutMs ?? this.#options.idleTimeoutMs;
    const guard = this.#guard;
    const { name, host } = serverOf(target, this.#options.hostAliases, guard);
    const method = init.method ?? "GET";
    const path = target.pathname + target.search;
    const { body: content } = init;
    const signed =
      typeof content === "string" || content instanceof Uint8Array ? content : undefined;
    const agent = mutualTls ? this.#own : secure ? this.#https : this.#http;
    const options: https.RequestOptions & { secureContext?: SecureContext } = {
      agent: init.fresh ? false : agent,
      host,
      ...(guard ? { lookup: guardedLookup(guard) } : {}),
      port: target.port || (target.protocol === "https:" ? 443 : 80),
      path,
      method,
      headers: {
        host: target.host,
        // A server told to close may do so before it has read the body, and take its answer along.
        ...(init.fresh ? { connection: "keep-alive" } : {}),
        ...headers,
        ...secret?.sign({ method, target: path }, signed),
      },
      signal: init.signal,
      ...(init.localAddress === undefined ? {} : { localAddress: init.localAddress }),
      timeout: idleMs,
      // Object storages sign URLs that do not fit into the usual 16 KiB.
      maxHeaderSize: MAX_HEADER_BYTES,
    };
    if (target.username) {
      options.auth = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`;
    }
    if (mutualTls) Object.assign(options, mutualTls.clientOptions(name));
    else if (secure) Object.assign(options, tlsOptions(name, init.tls));
    return new Promise((resolve, reject) => {
      const request = (secure ? https : http).request(options);
      let answer: IncomingMessage | undefined;
      const fail = (reason: string) => {
        const error = new HttpError(`${options.method} ${redactUrl(target.href)}: ${reason}`);
        // Whoever reads the answer hears it from there.
        (answer ?? request).destroy(error);
      };
      let connectTimer: NodeJS.Timeout | undefined;
      request.on("socket", (socket) => {
        if (!socket.connecting) return;
        if (secure) socket.once("secureConnect", () => holdBeneath(socket as TLSSocket));
        let connecting = true;
        connectTimer = setTimeout(() => {
          afterReading(() => {
            if (connecting) fail(`no connection within ${connectMs} ms`);
          });
        }, connectMs);
        // Our own programs' handshakes may wait for a busy processor: whether the host is there is known before.
        socket.once(secure && !mutualTls ? "secureConnect" : "connect", () => {
          connecting = false;
          clearTimeout(connectTimer);
        });
      });
      request.on("timeout", () => {
        const { socket } = request;
        const received = socket?.bytesRead;
        afterReading(() => {
          // Nothing is received while the reader has not taken what is here.
          const waits = answer !== undefined && answer.readableLength > 0;
          if (waits || socket?.bytesRead !== received) socket?.setTimeout(idleMs);
          else fail(`nothing received for ${idleMs} ms`);
        });
      });
      request.on("error", (error) => {
        clearTimeout(connectTimer);
        if (error instanceof ForbiddenError) reject(forbidden(target, error.message));
        else if (error instanceof HttpError || init.signal?.aborted) reject(error);
        else if (
          wasReset(error) &&
          !answer &&
          SAFE_METHODS.has(options.method!) &&
          !init.body &&
          // A kept connection may have been closed long ago, and the next one, too. A new one that is reset
          // is one that a server took and lost, as when it is started again: once.
          (request.reusedSocket || !isRepeated)
        ) {
          const isNew = !request.reusedSocket;
          const again = isNew ? { ...init, fresh: true } : init;
          resolve(this.#send(target, headers, again, undefined, isRepeated || isNew));
        } else if (
          isCrowded(error) &&
          !isStream(init.body) &&
          performance.now() - sinceMs < connectMs
        ) {
          // Nothing has been sent. Connections that only wait to be used again are given up for it.
          this.#closeIdle();
          setTimeout(
            () => resolve(this.#send(target, headers, init, sinceMs, isRepeated)),
            CROWDED_MS,
          );
        } else
          reject(
            new HttpError(`${options.method} ${redactUrl(target.href)}: ${reasonOf(error)}`, {
              cause: error,
            }),
          );
      });
      request.on("response", (body) => {
        clearTimeout(connectTimer);
        // A runtime that resolves names in its own way is still found out before its answer is used.
        const wrong = guard?.refuseAddress(body.socket.remoteAddress ?? "");
        if (wrong) {
          reject(forbidden(target, wrong));
          request.destroy();
          return;
        }
        answer = body;
        resolve({
          status: body.statusCode ?? 0,
          statusText: body.statusMessage ?? "",
          headers: body.headers,
          rawHeaders: body.rawHeaders,
          body,
          url: target.href,
        });
      });
      const { body } = init;
      if (body === undefined) request.end();
      else if (typeof body === "string" || body instanceof Uint8Array) request.end(body);
      else {
        body.on("error", (error) => request.destroy(error));
        body.pipe(request);
      }
    });
  }
}

/**
 * Calls back when all that has come in by now has been read. A timer that is due comes before that: in a
 * busy process what it waited for may lie there unread.
 */
function afterReading(callback: () => void): void {
  setImmediate(callback);
}

/** Whether the other side has closed a connection. */
function wasReset(error: NodeJS.ErrnoException): boolean {
  return error.code === "ECONNRESET" || error.code === "EPIPE";
}

function isStream(body: HttpRequestInit["body"]): boolean {
  return body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array);
}

function closeIdle(agent: http.Agent): void {
  const idle = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
  for (const socket of idle) socket.destroy();
}

/** A host with several addresses fails with one error for each of them, and no text of its own. */
function reasonOf(error: Error): string {
  const [first] = error instanceof AggregateError ? (error.errors as Error[]) : [];
  return (
    explainTlsError(error) || first?.message || (error as NodeJS.ErrnoException).code || error.name
  );
}

/**
 * Reads a whole body.
 *
 * @throws {HttpError} when it is longer than `limit` bytes or breaks off
 */
export async function readBody(response: HttpResponse, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      total += chunk.byteLength;
      if (total > limit)
        throw new HttpError(`${redactUrl(response.url)}: answer is longer than ${limit} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw new HttpError(`${redactUrl(response.url)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return Buffer.concat(chunks, total);
}
