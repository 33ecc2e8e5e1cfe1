import type { OnReadOpts, Socket } from "node:net";
import { BufferPool } from "../buffer_pool.ts";
import { explainTlsError } from "../links/explain_tls_error.ts";
import { type ResponseHead, ResponseParser } from "./response_parser.ts";

/** How to come to a server. */
export interface Way {
  /** Ways with the same key share connections. */
  key: string;
  /** Begins to connect; what comes is to be read as `onread` says. */
  connect(onread: OnReadOpts): Socket;
  /** The socket's event when requests can be sent. */
  ready: "connect" | "secureConnect";
}

/** Who takes the body of an answer as it comes. */
export interface BodyReader {
  /**
   * What it throws ends the request with that error.
   *
   * @param chunk is written over after the call, unless it lies in `target`: copy what is to outlast it
   * @returns kept when more may be read, as a rate limit says; it must not fail
   */
  onBody(chunk: Uint8Array): Promise<unknown> | undefined;
  /** Where the next bytes of the body are to lie, if that is known: what is read to there need not be copied. */
  target?(): Uint8Array | undefined;
}

/** A GET, or HEAD. */
export interface PlainRequest extends BodyReader {
  /** Default: GET. */
  method?: "GET" | "HEAD";
  /** Path and query, without blanks or line ends. */
  path: string;
  /** All that are to be sent, `host` among them. */
  headers: Readonly<Record<string, string>>;
  /** Milliseconds until the connection must stand. */
  connectTimeoutMs: number;
  /** Milliseconds without a byte, unless the reader pauses, after which the request fails. */
  idleTimeoutMs: number;
  signal?: AbortSignal | undefined;
  /**
   * What it throws ends the request with that error.
   *
   * @param address the server's, as the runtime says it
   */
  onHead(head: ResponseHead, address: string): void;
}

/** A server gave no whole answer: no connection, silence, a broken answer. Its `cause` is the socket's own error. */
export class PlainHttpError extends Error {
  override name = "PlainHttpError";
}

/** Bytes that are read at once. */
const READ_BYTES = 64 * 1024;

const readBuffers = new BufferPool(READ_BYTES, 64);

/** What a header's name, and its value, may be (RFC 9110 §5.5, §5.6.2). */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * One connection to a server, for one request after the other. Hot path: bytes go from the socket to where the
 * reader wants them, or into the connection's one buffer where that is not known, as before a head. Left alone, Node takes a fresh
 * 64 KiB for every read, however little comes, and V8 counts them towards its next collection of the whole
 * heap: one every 13 MB that a node took from its peers, a fifth of its processor time.
 */
export class Connection {
  readonly #socket: Socket;
  #request: PlainRequest | undefined;
  #parser: ResponseParser | undefined;
  #settle: { resolve(): void; reject(error: Error): void } | undefined;
  readonly #buffer = readBuffers.take(READ_BYTES);
  readonly #readyEvent: Way["ready"];
  #connected = false;
  #usable = true;
  #heard = false;
  #stale = false;
  /** What the reader waits for before it takes more. */
  #pause: Promise<unknown> | undefined;
  #error: Error | undefined;

  constructor(way: Way) {
    this.#readyEvent = way.ready;
    this.#socket = way.connect({
      buffer: () => this.#place(),
      callback: (bytes: number, buffer: Uint8Array) => this.#read(buffer.subarray(0, bytes)),
    });
    this.#socket.on(way.ready, () => {
      this.#connected = true;
    });
    this.#socket.on("timeout", () => this.#silent());
    this.#socket.on("error", (error) => {
      const reason = explainTlsError(error) || (error as NodeJS.ErrnoException).code;
      this.#error ??= new PlainHttpError(reason, { cause: error });
    });
    this.#socket.on("end", () => this.#ended());
    this.#socket.on("close", () => {
      this.#ended();
      readBuffers.give(this.#buffer);
    });
  }

  /** Whether another request can be sent. */
  get usable(): boolean {
    return this.#usable && !this.#request;
  }

  /** Whether the server had closed it before it took the last request. */
  get stale(): boolean {
    return this.#stale;
  }

  /**
   * Sends a request and hands its answer to it; resolves when the answer is whole.
   *
   * @throws {PlainHttpError} what went wrong, `signal`'s reason, or what the request's own functions threw
   */
  send(request: PlainRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = request;
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const onAbort = () => this.#fail(signal!.reason as Error);
      signal?.addEventListener("abort", onAbort);
      const settled = () => signal?.removeEventListener("abort", onAbort);
      this.#settle = {
        resolve: () => {
          settled();
          resolve();
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      this.#request = request;
      this.#heard = false;
      this.#parser = new ResponseParser({
        onHead: (head) => request.onHead(head, this.#socket.remoteAddress ?? ""),
        onBody: (chunk) => this.#pauseUntil(request.onBody(chunk)),
        onEnd: () => {},
        bodiless: request.method === "HEAD",
      });
      this.#socket.ref();
      this.#socket.setTimeout(this.#connected ? request.idleTimeoutMs : request.connectTimeoutMs);
      if (!this.#connected) {
        this.#socket.once(this.#readyEvent, () => this.#socket.setTimeout(request.idleTimeoutMs));
      }
      try {
        this.#socket.write(requestHead(request), "latin1");
      } catch (error) {
        this.#fail(error as Error);
      }
    });
  }

  /** Nothing is asked of it for now: it does not keep the process alive, and ends after a while. */
  rest(ms: number): void {
    this.#socket.unref();
    this.#socket.setTimeout(ms);
  }

  close(): void {
    this.#fail(new PlainHttpError("the connection is closed"));
  }

  /** Where what comes next is read to. */
  #place(): Uint8Array {
    const most = this.#parser?.left ?? 0;
    const target = most > 0 ? this.#request?.target?.() : undefined;
    // The system reads nothing into no bytes.
    return target?.byteLength ? target.subarray(0, most) : this.#buffer;
  }

  #read(bytes: Uint8Array): boolean {
    this.#heard = true;
    const parser = this.#parser;
    if (!parser) {
      // A server that speaks without being asked cannot be trusted with the next request.
      this.close();
      return false;
    }
    try {
      parser.push(bytes);
    } catch (error) {
      this.#fail(error as Error);
      return false;
    }
    if (parser.done) this.#finish(parser);
    return true;
  }

  #finish(parser: ResponseParser): void {
    const settle = this.#settle;
    this.#request = undefined;
    this.#parser = undefined;
    this.#settle = undefined;
    this.#pause = undefined;
    this.#socket.resume();
    if (!parser.keepAlive) {
      this.#usable = false;
      this.#socket.destroy();
    }
    settle?.resolve();
  }

  #fail(error: Error): void {
    const settle = this.#settle;
    this.#usable = false;
    this.#request = undefined;
    this.#parser = undefined;
    this.#settle = undefined;
    this.#pause = undefined;
    this.#socket.destroy();
    settle?.reject(error);
  }

  #ended(): void {
    this.#usable = false;
    const parser = this.#parser;
    this.#stale = this.#connected && !this.#heard;
    if (!parser) {
      this.#socket.destroy();
      return;
    }
    try {
      if (this.#error) throw this.#error;
      if (!this.#heard) throw new PlainHttpError("the connection ends before an answer");
      parser.end();
      this.#finish(parser);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #silent(): void {
    const request = this.#request;
    if (!request) {
      this.close();
      return;
    }
    const wasConnected = this.#connected;
    const received = this.#socket.bytesRead;
    // In a busy process what it waited for may lie there unread: that comes first.
    setImmediate(() => {
      if (this.#request !== request || this.#pause) return;
      if (!this.#connected) {
        this.#fail(new PlainHttpError(`no connection within ${request.connectTimeoutMs} ms`));
      } else if (wasConnected && this.#socket.bytesRead === received) {
        this.#fail(new PlainHttpError(`nothing received for ${request.idleTimeoutMs} ms`));
      }
    });
  }

  #pauseUntil(goOn: Promise<unknown> | undefined): void {
    if (!goOn) return;
    this.#socket.pause();
    this.#pause = goOn;
    void goOn.then(() => {
      // The answer it belonged to may be over.
      if (this.#pause !== goOn) return;
      this.#pause = undefined;
      this.#socket.resume();
      if (this.#request) this.#socket.setTimeout(this.#request.idleTimeoutMs);
    });
  }
}

/** @throws {PlainHttpError} for a header that would be read as something else */
function requestHead({ method = "GET", path, headers }: PlainRequest): string {
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) {
      throw new PlainHttpError(
        `the header ${JSON.stringify(name)} has characters that no header may have`,
      );
    }
    head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
}
