/** The head of an answer. */
export interface ResponseHead {
  status: number;
  /** Values by name in lower case; of a name that comes twice, the first. */
  headers: ReadonlyMap<string, string>;
  /** Names and values in turn, as they came. */
  raw: readonly string[];
  /** Bytes of the body, or that it would have; -1 where only its end tells. */
  length: number;
}

/** Who is told what an answer says. */
export interface ResponseSink {
  onHead(head: ResponseHead): void;
  /** @param chunk lies in the buffer that was parsed: copy what is to outlast the call */
  onBody(chunk: Uint8Array): void;
  /** The answer is whole. */
  onEnd(): void;
  /** It answers a HEAD: whatever its head says, nothing follows. */
  bodiless?: boolean;
}

/** What came is no HTTP/1.1 answer (RFC 9112). */
export class BadResponseError extends Error {
  override name = "BadResponseError";
}

/** Longest head, bytes. */
const MAX_HEAD_BYTES = 64 * 1024;
/** Longest line that tells a chunk's size, bytes; extensions are rare. */
const MAX_CHUNK_LINE = 1024;

type State = "head" | "counted" | "until close" | "chunk line" | "chunk end" | "trailer" | "done";

/**
 * Reads one HTTP/1.1 answer to a GET or HEAD, however it is cut, without a copy of its body. Pure.
 *
 * @example
 * ```ts
 * const parser = new ResponseParser({
 *   onHead: ({ status }) => console.log(status),
 *   onBody: (chunk) => console.log(chunk.byteLength),
 *   onEnd: () => console.log("whole"),
 * });
 * parser.push(new TextEncoder().encode("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"));
 * ```
 */
export class ResponseParser {
  readonly #sink: ResponseSink;
  #state: State = "head";
  /** What has come of a head or of a line. */
  #text = "";
  /** Bytes that the body, or its chunk, still has. */
  #left = 0;
  #chunked = false;
  #keepAlive = false;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  /** Whether another answer can come on this connection; known when the answer is whole. */
  get keepAlive(): boolean {
    return this.#state === "done" && this.#keepAlive;
  }

  /** Bytes that are sure to be of the body, and next to come; 0 where that is not known. */
  get left(): number {
    return this.#state === "counted" ? this.#left : 0;
  }

  /** Whether the answer is whole. */
  get done(): boolean {
    return this.#state === "done";
  }

  /**
   * Takes the next bytes.
   *
   * @throws {BadResponseError} also for bytes after the end, and whatever the sink throws
   */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.byteLength) {
      switch (this.#state) {
        case "head":
          at = this.#readHead(bytes, at);
          break;
        case "counted":
          at = this.#readCounted(bytes, at);
          break;
        case "until close":
          this.#sink.onBody(at === 0 ? bytes : bytes.subarray(at));
          at = bytes.byteLength;
          break;
        case "done":
          if (this.#sink.bodiless) {
            // A careless server sends the body of a HEAD as well: of no use, and nothing can follow it.
            this.#keepAlive = false;
            return;
          }
          throw new BadResponseError("more than the answer comes");
        default:
          at = this.#readLine(bytes, at);
      }
    }
  }

  /**
   * The connection has ended.
   *
   * @throws {BadResponseError} where the answer is not whole
   */
  end(): void {
    if (this.#state === "until close") this.#finish();
    if (this.#state !== "done") throw new BadResponseError("the connection ends within the answer");
  }

  #readHead(bytes: Uint8Array, at: number): number {
    const before = this.#text.length;
    this.#text += latin1(bytes.subarray(at, at + MAX_HEAD_BYTES - before + 4));
    const end = this.#text.indexOf("\r\n\r\n", Math.max(0, before - 3));
    if (end < 0) {
      if (this.#text.length > MAX_HEAD_BYTES) throw new BadResponseError("its head is too long");
      return bytes.byteLength;
    }
    const head = this.#text.slice(0, end);
    this.#text = "";
    this.#takeHead(head);
    return at + end + 4 - before;
  }

  #takeHead(text: string): void {
    const [statusLine, ...lines] = text.split("\r\n");
    const match = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(statusLine!);
    if (!match) throw new BadResponseError("its first line is not HTTP/1.1");
    const status = Number(match[2]);
    // An interim answer: the real one follows.
    if (status < 200) return;
    const headers = new Map<string, string>();
    const raw: string[] = [];
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon <= 0) throw new BadResponseError("its head has a line without a name");
      const name = line.slice(0, colon);
      const value = line.slice(colon + 1).trim();
      raw.push(name, value);
      if (!headers.has(name.toLowerCase())) headers.set(name.toLowerCase(), value);
    }
    const connection = headers.get("connection")?.toLowerCase() ?? "";
    this.#keepAlive = match[1] === "1" ? connection !== "close" : connection === "keep-alive";
    this.#chunked = headers.get("transfer-encoding")?.toLowerCase() === "chunked";
    const length = this.#lengthOf(status, headers);
    const { bodiless } = this.#sink;
    if (this.#chunked) this.#state = "chunk line";
    else if (length >= 0) this.#state = "counted";
    else {
      this.#state = "until close";
      this.#keepAlive &&= bodiless === true;
    }
    this.#left = Math.max(0, length);
    this.#sink.onHead({ status, headers, raw, length });
    if (length === 0 || bodiless) this.#finish();
  }

  #lengthOf(status: number, headers: ReadonlyMap<string, string>): number {
    if (this.#chunked) return -1;
    if (status === 204 || status === 304) return 0;
    if (headers.has("transfer-encoding")) throw new BadResponseError("its coding is not known");
    const length = headers.get("content-length");
    if (length === undefined) return -1;
    if (!/^\d{1,15}$/.test(length)) throw new BadResponseError("its content-length is no number");
    return Number(length);
  }

  #readCounted(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#left, bytes.byteLength - at);
    this.#left -= count;
    this.#sink.onBody(
      count === bytes.byteLength && at === 0 ? bytes : bytes.subarray(at, at + count),
    );
    if (this.#left === 0) {
      if (this.#chunked) this.#state = "chunk end";
      else this.#finish();
    }
    return at + count;
  }

  /** A line of the chunked coding (RFC 9112 §7.1): a size, the end of a chunk, or a trailer. */
  #readLine(bytes: Uint8Array, at: number): number {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.byteLength : newline + 1;
    this.#text += latin1(bytes.subarray(at, Math.min(end, at + MAX_CHUNK_LINE + 1)));
    if (this.#text.length > MAX_CHUNK_LINE)
      throw new BadResponseError("a chunk's line is too long");
    if (newline < 0) return end;
    const line = this.#text.replace(/\r?\n$/, "");
    this.#text = "";
    if (this.#state === "trailer") {
      if (line === "") this.#finish();
    } else if (this.#state === "chunk end") {
      if (line !== "") throw new BadResponseError("a chunk is longer than it says");
      this.#state = "chunk line";
    } else {
      const size = /^([0-9a-f]{1,8})[ \t]*(?:;|$)/i.exec(line)?.[1];
      if (size === undefined) throw new BadResponseError("a chunk's size is no number");
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? "trailer" : "counted";
    }
    return end;
  }

  #finish(): void {
    this.#state = "done";
    this.#sink.onEnd();
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
