import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { SecureContext } from "node:tls";
import { Agents } from "./agents.ts";
import { answerTo } from "./answer_to.ts";
import { CROWDED_MS, isCrowded } from "./crowded.ts";
import { HttpError } from "./http_error.ts";
import { explainTlsError } from "./links/explain_tls_error.ts";
import type { Links, Proof } from "./links/links.ts";
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
  readonly #agents: Agents;
  readonly #options: Required<Omit<HttpClientOptions, "guard" | "links">>;
  readonly #guard: RequestGuard | undefined;
  readonly #proof: Proof | undefined;
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
    this.#agents = new Agents(this.#options.maxSockets);
    this.plain = new PlainHttp(this.#options.hostAliases, this.#proof);
    const onCrowded = () => this.#agents.closeIdle();
    this.reader = new HttpReader({ ...this.#options, guard: options.guard, onCrowded });
    if (this.#proof?.kind === "tls") {
      this.#forgetRenewal = this.#proof.onRenewed(() => {
        this.plain.close();
        this.#agents.renewOwn();
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

  /** Ends all idle connections, such as those from an address that this host has no more. */
  closeIdle(): void {
    this.plain.close();
    this.reader.close();
    this.#agents.closeIdle();
  }

  /** Ends all idle connections; running requests go on. */
  close(): void {
    this.#forgetRenewal?.();
    this.plain.close();
    this.reader.close();
    this.#agents.destroy();
  }

  /** Sends a request, and again where a connection was closed or could not be opened and nothing is lost by that. */
  async #send(
    target: URL,
    headers: Record<string, string | string[]>,
    init: HttpRequestInit,
  ): Promise<HttpResponse> {
    const { method = "GET", body: content, signal } = init;
    const connectMs = init.connectTimeoutMs ?? this.#options.connectTimeoutMs;
    let { fresh = false } = init;
    let sinceMs = performance.now();
    let isRepeated = false;
    for (;;) {
      const request = this.#begin(target, headers, { ...init, fresh });
      try {
        return await this.#answer(request, target, init);
      } catch (error) {
        if (error instanceof ForbiddenError) throw forbidden(target, error.message);
        if (error instanceof HttpError || signal?.aborted) throw error;
        const mayRepeat = SAFE_METHODS.has(method) && !content;
        // A kept connection may have been closed long ago, and the next one, too. A new one that is reset
        // is one that a server took and lost, as when it is started again: once.
        if (wasReset(error) && mayRepeat && (request.reusedSocket || !isRepeated)) {
          if (!request.reusedSocket) fresh = isRepeated = true;
          sinceMs = performance.now();
          continue;
        }
        const isLate = performance.now() - sinceMs >= connectMs;
        if (!isCrowded(error) || isStream(content) || isLate) {
          const reason = reasonOf(error as Error, init.own);
          throw new HttpError(`${method} ${redactUrl(target.href)}: ${reason}`, {
            cause: error,
          });
        }
      }
      // Nothing has been sent. Connections that only wait to be used again are given up for it.
      this.#agents.closeIdle();
      await sleep(CROWDED_MS);
    }
  }

  /** A request whose head is as it will be sent, before its body. */
  #begin(
    target: URL,
    headers: Record<string, string | string[]>,
    init: HttpRequestInit,
  ): ClientRequest {
    const mutualTls = this.#mutualTls(init);
    const secret = init.own && this.#proof?.kind === "secret" ? this.#proof : undefined;
    const secure = mutualTls !== undefined || target.protocol === "https:";
    const guard = this.#guard;
    const { name, host } = serverOf(target, this.#options.hostAliases, guard);
    const { method = "GET", body: content } = init;
    const path = target.pathname + target.search;
    const options: https.RequestOptions & { secureContext?: SecureContext } = {
      agent: init.fresh ? false : this.#agents.of(mutualTls ? "own" : secure ? "https" : "http"),
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
        ...secret?.sign({ method, target: path }, isStream(content) ? undefined : content),
      },
      signal: init.signal,
      ...(init.localAddress === undefined ? {} : { localAddress: init.localAddress }),
      timeout: init.idleTimeoutMs ?? this.#options.idleTimeoutMs,
      // Object storages sign URLs that do not fit into the usual 16 KiB.
      maxHeaderSize: MAX_HEADER_BYTES,
    };
    if (target.username) {
      options.auth = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`;
    }
    if (mutualTls) Object.assign(options, mutualTls.clientOptions(name));
    else if (secure) Object.assign(options, tlsOptions(name, init.tls));
    return (secure ? https : http).request(options);
  }

  /** Sends a request's body, and waits for its answer. */
  async #answer(request: ClientRequest, target: URL, init: HttpRequestInit): Promise<HttpResponse> {
    const { method = "GET", body: content } = init;
    const isOwn = this.#mutualTls(init) !== undefined;
    const answer = answerTo(request, {
      secure: isOwn || target.protocol === "https:",
      // Our own programs' handshakes may wait for a busy processor: whether the host is there is known before.
      untilSecure: !isOwn && target.protocol === "https:",
      connectMs: init.connectTimeoutMs ?? this.#options.connectTimeoutMs,
      idleMs: init.idleTimeoutMs ?? this.#options.idleTimeoutMs,
      signal: init.signal,
      tooLong: (reason) => new HttpError(`${method} ${redactUrl(target.href)}: ${reason}`),
      // A runtime that resolves names in its own way is still found out before its answer is used.
      refuse: (address) => {
        const wrong = this.#guard?.refuseAddress(address);
        return wrong ? new ForbiddenError(wrong) : undefined;
      },
    });
    if (!isStream(content)) request.end(content);
    const body = await (isStream(content)
      ? Promise.race([answer, sendTo(request, content)])
      : answer);
    return {
      status: body.statusCode ?? 0,
      statusText: body.statusMessage ?? "",
      headers: body.headers,
      rawHeaders: body.rawHeaders,
      body,
      url: target.href,
    };
  }

  /** How a request of our own program is encrypted; absent where it is not one, or these do not ask. */
  #mutualTls({ own }: HttpRequestInit): Extract<Proof, { kind: "tls" }> | undefined {
    return own && this.#proof?.kind === "tls" ? this.#proof : undefined;
  }
}

/** Sends what is read from a stream. Rejects, and ends the request, where that breaks off; does not resolve. */
function sendTo(request: ClientRequest, content: NodeJS.ReadableStream): Promise<never> {
  return new Promise((_, reject) => {
    content.on("error", (error) => {
      request.destroy(error);
      reject(error);
    });
    content.pipe(request);
  });
}

/** Whether the other side has closed a connection. */
function wasReset(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" || code === "EPIPE";
}

function isStream(body: HttpRequestInit["body"]): body is NodeJS.ReadableStream {
  return body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array);
}

/** A host with several addresses fails with one error for each of them, and no text of its own. */
function reasonOf(error: Error, own = false): string {
  const [first] = error instanceof AggregateError ? (error.errors as Error[]) : [];
  return (
    explainTlsError(error, own) ||
    first?.message ||
    (error as NodeJS.ErrnoException).code ||
    error.name
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
