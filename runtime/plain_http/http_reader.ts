import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { CROWDED_MS, isCrowded } from "../crowded.ts";
import { HttpError } from "../http_error.ts";
import { isPassingStatus } from "../passing_status.ts";
import { redactUrl } from "../redact_url.ts";
import { followRedirects, redirectOf } from "../redirect.ts";
import {
  ForbiddenError,
  forbidden,
  guardedLookup,
  type RequestGuard,
  serverOf,
} from "../request_guard.ts";
import { TlsSessions } from "../tls_sessions.ts";
import { type TlsTrust, tlsOptions } from "../tls_trust.ts";
import { Turnstile } from "../turnstile.ts";
import { type BodyReader, PlainHttpError, type PlainRequest, type Way } from "./connection.ts";
import { Connections } from "./connections.ts";
import { BadResponseError, type ResponseHead } from "./response_parser.ts";

/** The head of an answer, and which URL it is of after redirects. */
export interface HttpHead extends ResponseHead {
  url: string;
}

/** Who takes an answer as it comes. What these functions throw ends the request with that error. */
export interface HttpSink extends BodyReader {
  onHead(head: HttpHead): void;
}

/** A question, and how long to wait for its answer. */
export interface HttpQuestion {
  headers?: Readonly<Record<string, string>>;
  tls?: TlsTrust | undefined;
  signal?: AbortSignal | undefined;
  /** Redirects to follow at most; 0 hands the redirect over. Default: 0. */
  maxRedirects?: number;
  /** Default: the reader's. */
  connectTimeoutMs?: number;
  /** Default: the reader's. */
  idleTimeoutMs?: number;
}

export interface HttpReaderOptions {
  /** Milliseconds until TCP and TLS must stand. */
  connectTimeoutMs: number;
  /** Milliseconds without a byte, unless the sink has it wait, after which a request fails. */
  idleTimeoutMs: number;
  /** Addresses to use instead of what the resolver says for a host name. */
  hostAliases: Readonly<Record<string, string>>;
  guard?: RequestGuard | undefined;
  /** Called where this process has no descriptor for a connection: others may be let go. */
  onCrowded(): void;
}

/** Milliseconds for which a connection is kept: between the layers of an image, say. */
const KEPT_MS = 30_000;
/**
 * Heads that a server is asked for at a time: more than an image has layers. Two hundred at once would have a connection
 * each, with a handshake and its memory, and not be answered sooner.
 */
const MOST_HEADS = 32;
/** Milliseconds after which one is asked for all the same: the others may wait for a slow answer. */
const TURN_MS = 1000;
/** Milliseconds after which a server that has too much to do is asked once more. */
const AGAIN_MS = 300;
/** The longest body that is read though nobody wants it, bytes, for the sake of its connection. */
const MOST_PASSED_OVER = 64 * 1024;

/** A body that nobody wants is too long to be passed over. */
class TooLong extends Error {}

/**
 * Reads from any http or https URL, right to where the reader wants the bytes: for what comes from sources by the
 * gigabyte. By `node:https` the same bytes cost half as much processor time again on Node, and nearly twice as much
 * on Deno: a buffer and a dozen calls for each 16 KiB that TLS hands on.
 *
 * How many connections there are for bodies is up to those who ask: the supernode leases no more runs of blocks than a
 * registry is to have connections.
 */
export class HttpReader {
  readonly #options: HttpReaderOptions;
  readonly #connections = new Connections(KEPT_MS);
  readonly #sessions = new TlsSessions();
  /** One for each server that is being asked for heads. */
  readonly #turnstiles = new Map<string, Turnstile>();

  constructor(options: HttpReaderOptions) {
    this.#options = options;
  }

  /**
   * Asks for a URL, and hands the answer to `sink`; resolves when that has all of it, whatever its status.
   *
   * @throws {HttpError} where there is no whole answer, {ForbiddenError} where the guard refuses, and what the sink throws
   */
  read(url: string, question: HttpQuestion, sink: HttpSink): Promise<void> {
    return this.#follow("GET", url, question, sink);
  }

  /**
   * Asks for the head that an answer would have; once more, after a pause, where the server has too much to do.
   *
   * @throws {HttpError | ForbiddenError} as {@link HttpReader.read}
   */
  async head(url: string, question: HttpQuestion): Promise<HttpHead> {
    const head = await this.#headOf("HEAD", url, question);
    if (!isPassingStatus(head.status)) return head;
    await sleep(AGAIN_MS, undefined, question.signal ? { signal: question.signal } : {});
    return this.#headOf("HEAD", url, question);
  }

  /**
   * The head of the answer to a GET: for servers that do not answer HEAD, or not truly. A long body is cut off.
   *
   * @throws {HttpError | ForbiddenError} as {@link HttpReader.read}
   */
  peek(url: string, question: HttpQuestion): Promise<HttpHead> {
    return this.#headOf("GET", url, question);
  }

  /** Ends the connections that nobody uses; running requests go on. */
  close(): void {
    this.#connections.close();
  }

  async #headOf(method: "GET" | "HEAD", url: string, question: HttpQuestion): Promise<HttpHead> {
    let head: HttpHead | undefined;
    const onHead = (came: HttpHead) => {
      head = came;
      if (method === "GET") passOver(came);
    };
    const { origin } = new URL(url);
    const turnstile = this.#turnstiles.get(origin) ?? new Turnstile(MOST_HEADS, TURN_MS);
    this.#turnstiles.set(origin, turnstile);
    try {
      await turnstile.pass(question.signal, () =>
        this.#follow(method, url, question, { onHead, onBody: () => undefined }),
      );
    } finally {
      if (turnstile.load.running === 0) this.#turnstiles.delete(origin);
    }
    return head!;
  }

  #follow(
    method: "GET" | "HEAD",
    url: string,
    question: HttpQuestion,
    sink: HttpSink,
  ): Promise<void> {
    return followRedirects(url, question, (target, headers, mayFollow) =>
      this.#ask(method, target, { ...question, headers }, sink, mayFollow),
    );
  }

  /** @returns where the answer sends us to, if it is to be followed */
  async #ask(
    method: "GET" | "HEAD",
    target: URL,
    question: HttpQuestion,
    sink: HttpSink,
    mayFollow: boolean,
  ): Promise<URL | undefined> {
    const { guard } = this.#options;
    const way = this.#wayTo(target, question.tls);
    let next: URL | undefined;
    const request: PlainRequest = {
      method,
      path: target.pathname + target.search,
      headers: requestHeaders(target, question.headers ?? {}),
      connectTimeoutMs: question.connectTimeoutMs ?? this.#options.connectTimeoutMs,
      idleTimeoutMs: question.idleTimeoutMs ?? this.#options.idleTimeoutMs,
      signal: question.signal,
      onHead: (head, address) => {
        // A runtime that resolves names in its own way is still found out before its answer is used.
        const wrong = guard?.refuseAddress(address);
        if (wrong) throw forbidden(target, wrong);
        if (mayFollow) next = redirectOf(target, head.status, head.headers.get("location"));
        if (!next) return sink.onHead({ ...head, url: target.href });
        if (method === "GET") passOver(head);
      },
      onBody: (chunk) => (next ? undefined : sink.onBody(chunk)),
      target: () => (next ? undefined : sink.target?.()),
    };
    try {
      await this.#send(way, request);
    } catch (error) {
      if (!(error instanceof TooLong)) throw explain(error as Error, method, target);
    }
    return next;
  }

  /** Waits for a descriptor, as long as for a connection: nothing has been sent yet. */
  async #send(way: Way, request: PlainRequest): Promise<void> {
    const sinceMs = performance.now();
    for (;;) {
      try {
        return await this.#connections.send(way, request);
      } catch (error) {
        const waitedMs = performance.now() - sinceMs;
        if (!isCrowded((error as Error).cause) || waitedMs >= request.connectTimeoutMs) throw error;
      }
      this.#connections.close();
      this.#options.onCrowded();
      await sleep(CROWDED_MS, undefined, { signal: request.signal });
    }
  }

  #wayTo(target: URL, trust: TlsTrust | undefined): Way {
    const { guard, hostAliases } = this.#options;
    const { name, host } = serverOf(target, hostAliases, guard);
    const secure = target.protocol === "https:";
    const port = Number(target.port || (secure ? 443 : 80));
    const key = `${target.origin} ${trust?.insecure ?? false} ${trust?.ca?.join("") ?? ""}`;
    const lookup = guard ? { lookup: guardedLookup(guard) } : {};
    return {
      key,
      ready: secure ? "secureConnect" : "connect",
      connect: (onread) => {
        const options = { host, port, noDelay: true, onread, ...lookup };
        if (!secure) return connect(options);
        return this.#sessions.connect(key, { ...options, ...tlsOptions(name, trust) });
      },
    };
  }
}

/** @throws {TooLong} where a body is not worth its connection */
function passOver({ length }: ResponseHead): void {
  if (length < 0 || length > MOST_PASSED_OVER) throw new TooLong();
}

/** Names in lower case, for one may come twice otherwise. */
function requestHeaders(
  target: URL,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const headers: Record<string, string> = { host: target.host };
  if (target.username) {
    const user = decodeURIComponent(target.username);
    const password = decodeURIComponent(target.password);
    headers.authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  }
  for (const [name, value] of Object.entries(given)) headers[name.toLowerCase()] = value;
  return headers;
}

/** What is thrown for an error; those of the sink are its own affair. */
function explain(error: Error, method: string, target: URL): Error {
  if (error.cause instanceof ForbiddenError) return forbidden(target, error.cause.message);
  if (!(error instanceof PlainHttpError || error instanceof BadResponseError)) return error;
  return new HttpError(`${method} ${redactUrl(target.href)}: ${error.message}`, { cause: error });
}
