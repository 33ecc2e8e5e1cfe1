import { connect, type Socket } from "node:net";
import { BufferPool } from "../buffer_pool.ts";
import { type ResponseHead, ResponseParser } from "./response_parser.ts";

/** Where a server is. */
export interface Place {
  /** Address or name. */
  host: string;
  port: number;
}

/** A GET. */
export interface PlainRequest {
  path: string;
  headers?: Readonly<Record<string, string>>;
  /** Milliseconds until the connection must stand. */
  connectTimeoutMs: number;
  /** Milliseconds without a byte, unless the reader pauses, after which the request fails. */
  idleTimeoutMs: number;
  signal?: AbortSignal | undefined;
  /** What it throws ends the request with that error. */
  onHead(head: ResponseHead): void;
  /**
   * What it throws ends the request with that error.
   *
   * @param chunk is written over after the call: copy what is to outlast it
   * @returns milliseconds for which to read nothing more, as a rate limit asks for
   */
  onBody(chunk: Uint8Array): number | undefined;
}

/** A server gave no whole answer: no connection, silence, a broken answer. */
export class PlainHttpError extends Error {
  override name = "PlainHttpError";
}

/** Bytes that are read at once. */
const READ_BYTES = 64 * 1024;

const readBuffers = new BufferPool(READ_BYTES, 64);

/**
 * One connection to a server, for one GET after the other. Hot path: bytes go from the socket into the
 * connection's one buffer, and from there to where the reader wants them. Left alone, Node takes a fresh
 * 64 KiB for every read, however little comes, and V8 counts them towards its next collection of the whole
 * heap: one every 13 MB that a node took from its peers, a fifth of its processor time.
 */
export class Connection {
  readonly #socket: Socket;
  #request: PlainRequest | undefined;
  #parser: ResponseParser | undefined;
  #settle: { resolve(): void; reject(error: Error): void } | undefined;
  readonly #buffer = readBuffers.take(READ_BYTES);
  #connected = false;
  #usable = true;
  #heard = false;
  #stale = false;
  #pause: NodeJS.Timeout | undefined;
  #error: Error | undefined;

  constructor({ host, port }: Place) {
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      onread: { buffer: this.#buffer, callback: (bytes) => this.#read(bytes) },
    });
    this.#socket.on("connect", () => {
      this.#connected = true;
    });
    this.#socket.on("timeout", () => this.#silent());
    this.#socket.on("error", (error) => {
      this.#error ??= new PlainHttpError(error.message || (error as NodeJS.ErrnoException).code);
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
  get(request: PlainRequest, authority: string): Promise<void> {
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
        onHead: (head) => request.onHead(head),
        onBody: (chunk) => this.#pauseFor(request.onBody(chunk)),
        onEnd: () => {},
      });
      this.#socket.ref();
      this.#socket.setTimeout(this.#connected ? request.idleTimeoutMs : request.connectTimeoutMs);
      if (!this.#connected) {
        this.#socket.once("connect", () => this.#socket.setTimeout(request.idleTimeoutMs));
      }
      this.#socket.write(requestHead(request, authority), "latin1");
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

  #read(bytes: number): boolean {
    this.#heard = true;
    const parser = this.#parser;
    if (!parser) {
      // A server that speaks without being asked cannot be trusted with the next request.
      this.close();
      return false;
    }
    try {
      parser.push(this.#buffer.subarray(0, bytes));
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
    clearTimeout(this.#pause);
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
    clearTimeout(this.#pause);
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
    const received = this.#socket.bytesRead;
    // In a busy process what it waited for may lie there unread: that comes first.
    setImmediate(() => {
      if (this.#request !== request || this.#pause) return;
      if (!this.#connected) {
        this.#fail(new PlainHttpError(`no connection within ${request.connectTimeoutMs} ms`));
      } else if (this.#socket.bytesRead === received) {
        this.#fail(new PlainHttpError(`nothing received for ${request.idleTimeoutMs} ms`));
      }
    });
  }

  #pauseFor(ms: number | undefined): void {
    if (!ms) return;
    this.#socket.pause();
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#socket.resume();
      if (this.#request) this.#socket.setTimeout(this.#request.idleTimeoutMs);
    }, ms);
  }
}

function requestHead(request: PlainRequest, authority: string): string {
  // What a supernode says may hold anything: a URL has no line ends.
  const { pathname, search } = new URL(`http://${authority}${request.path}`);
  let head = `GET ${pathname}${search} HTTP/1.1\r\nhost: ${authority}\r\n`;
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
}
