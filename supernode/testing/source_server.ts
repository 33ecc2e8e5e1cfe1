import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseRangeHeader } from "../../runtime/http_range.ts";

/** A file that a test's source has, and how it behaves. */
export interface SourceFile {
  bytes: Uint8Array;
  etag?: string;
  lastModified?: string;
  /** Answers Range requests. Default: true. */
  ranges?: boolean;
  /** Sends no length. */
  chunked?: boolean;
  /** What HEAD gets instead of an answer. */
  headStatus?: number;
  /** What every request gets. */
  status?: number;
  /** What `Authorization` must be one of. */
  authorizations?: string[];
  /** An `Authorization` whose requests are cut, as where a client trusts another authority than the server's. */
  cutsOff?: string;
  /** Breaks off after so many bytes of a body, so many times. */
  breakOff?: { after: number; times: number };
  /** Milliseconds to wait before each answer to a GET. */
  delayMs?: number;
  /** Where a request is sent on to. */
  location?: string;
}

export interface SourceRequest {
  method: string;
  path: string;
  headers: http.IncomingHttpHeaders;
  /** Body bytes sent. */
  sent: number;
}

/** A real web server for tests, which remembers what it was asked. */
export class SourceServer {
  readonly files = new Map<string, SourceFile>();
  readonly requests: SourceRequest[] = [];
  readonly #server = http.createServer((request, response) => this.#answer(request, response));

  static async start(): Promise<SourceServer> {
    const source = new SourceServer();
    await new Promise<void>((resolve) => source.#server.listen(0, "127.0.0.1", resolve));
    return source;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** Body bytes sent of a path in all. */
  sent(path: string): number {
    return this.#of(path).reduce((sum, request) => sum + request.sent, 0);
  }

  gets(path: string): SourceRequest[] {
    return this.#of(path).filter((request) => request.method === "GET");
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #of(path: string): SourceRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "").split("?", 1)[0]!;
    const method = request.method ?? "";
    const record = { method, path, headers: request.headers, sent: 0 };
    this.requests.push(record);
    const file = this.files.get(path);
    if (!file) {
      end(response, 404);
      return;
    }
    if (file.location) {
      response.setHeader("location", file.location);
      end(response, 307);
      return;
    }
    const { authorization = "" } = request.headers;
    if (authorization !== "" && authorization === file.cutsOff) {
      request.destroy();
      return;
    }
    const refused =
      file.status ??
      (file.authorizations && !file.authorizations.includes(authorization) ? 401 : undefined) ??
      (method === "HEAD" ? file.headStatus : undefined);
    if (refused) {
      end(response, refused);
      return;
    }
    if (file.etag) response.setHeader("etag", file.etag);
    if (file.lastModified) response.setHeader("last-modified", file.lastModified);
    const size = file.bytes.byteLength;
    const ranges = file.ranges !== false;
    if (ranges) response.setHeader("accept-ranges", "bytes");
    const condition = request.headers["if-range"];
    const current = !condition || condition === file.etag || condition === file.lastModified;
    const range = parseRangeHeader(ranges && current ? request.headers.range : undefined, size);
    if (range.kind === "unsatisfiable") {
      response.setHeader("content-range", `bytes */${size}`);
      end(response, 416);
      return;
    }
    let body = file.bytes;
    if (range.kind === "part") {
      response.statusCode = 206;
      response.setHeader("content-range", `bytes ${range.start}-${range.end}/${size}`);
      body = file.bytes.subarray(range.start, range.end + 1);
    }
    if (file.chunked) response.setHeader("transfer-encoding", "chunked");
    else response.setHeader("content-length", body.byteLength);
    if (method === "HEAD") {
      response.end();
      return;
    }
    const { breakOff } = file;
    const breaks = breakOff && breakOff.times > 0 && body.byteLength > breakOff.after;
    if (breaks) breakOff.times -= 1;
    const part = breaks ? body.subarray(0, breakOff.after) : body;
    record.sent = part.byteLength;
    setTimeout(() => {
      if (!breaks) return response.end(part);
      return response.write(part, () => setTimeout(() => response.destroy(), 50));
    }, file.delayMs ?? 0);
  }
}

function end(response: ServerResponse, status: number): void {
  response.statusCode = status;
  response.setHeader("content-length", 0);
  response.end();
}

/** The content of the transcripts' files: byte i is bits 16…23 of a linear congruential sequence. */
export function transcriptContent(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = 12345;
  for (let index = 0; index < length; index++) {
    x = (x * 1103515245 + 12345) & 0x7fffffff;
    bytes[index] = x >> 16;
  }
  return bytes;
}
