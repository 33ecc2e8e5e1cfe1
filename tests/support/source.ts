import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { freshAddress } from "./addresses.ts";
import type { Scratch } from "./scratch.ts";

/** How a file of the source behaves. */
export interface Behaviour {
  /** Answers `Range` with 206; else with the whole file. Default: true. */
  ranges?: boolean;
  /** Says the length; else the answer is chunked. Default: true. */
  length?: boolean;
  /** So many GETs of more than one byte break off in the middle of their body. Default: 0. */
  deaths?: number;
  /** Bytes a second of one answer. Default: no limit. */
  bytesPerSecond?: number;
  /** Answers 401 unless this `Authorization` comes. */
  authorization?: string;
}

interface SourceFile extends Behaviour {
  content: Buffer;
  etag: string;
  sent: number;
  deathsLeft: number;
}

/** A web server of files whose bytes are random, and that counts what it sends. */
export class Source {
  readonly url: string;
  readonly #files: Map<string, SourceFile>;

  private constructor(url: string, files: Map<string, SourceFile>) {
    this.url = url;
    this.#files = files;
  }

  static async start(scratch: Scratch): Promise<Source> {
    const files = new Map<string, SourceFile>();
    const server = createServer((request, response) => {
      answer(files.get(request.url ?? ""), request, response).catch(() => response.destroy());
    });
    const address = freshAddress();
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    scratch.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    return new Source(`http://${address}:${port}`, files);
  }

  /** Puts a file of `size` random bytes at `/name`, and returns its URL. */
  add(name: string, size: number, behaviour: Behaviour = {}): SourceUrl {
    const content = randomBytes(size);
    const deathsLeft = behaviour.deaths ?? 0;
    const md5 = createHash("md5").update(content).digest("hex");
    const file: SourceFile = { ...behaviour, content, etag: `"${md5}"`, sent: 0, deathsLeft };
    this.#files.set(`/${name}`, file);
    return {
      url: `${this.url}/${name}`,
      size,
      content,
      md5,
      sha256: createHash("sha256").update(content).digest("hex"),
      sent: () => file.sent,
      change: (how) => Object.assign(file, how),
    };
  }
}

/** A file of a {@link Source} as a test sees it. */
export interface SourceUrl {
  url: string;
  size: number;
  content: Buffer;
  /** Hex. */
  md5: string;
  /** Hex. */
  sha256: string;
  /** Bytes of bodies sent so far. */
  sent(): number;
  /** Changes how it behaves from now on. */
  change(how: Behaviour): void;
}

async function answer(
  file: SourceFile | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!file) {
    response.writeHead(404).end();
    return;
  }
  if (file.authorization && request.headers.authorization !== file.authorization) {
    response.writeHead(401, { "WWW-Authenticate": 'Basic realm="source"' }).end();
    return;
  }
  let body = file.content;
  const range =
    file.ranges === false
      ? { kind: "whole" as const }
      : parseRangeHeader(request.headers.range, file.content.length);
  if (range.kind === "unsatisfiable") {
    response.writeHead(416, { "Content-Range": `bytes */${file.content.length}` }).end();
    return;
  }
  response.setHeader("ETag", file.etag);
  if (file.ranges !== false) response.setHeader("Accept-Ranges", "bytes");
  if (range.kind === "part") {
    body = file.content.subarray(range.start, range.end + 1);
    response.statusCode = 206;
    response.setHeader("Content-Range", `bytes ${range.start}-${range.end}/${file.content.length}`);
  }
  if (file.length !== false) response.setHeader("Content-Length", body.length);
  response.flushHeaders();
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  let end = body.length;
  if (body.length > 1 && file.deathsLeft > 0) {
    file.deathsLeft -= 1;
    end = Math.floor(body.length / 2);
  }
  const step = Math.min(64 * 1024, Math.ceil((file.bytesPerSecond ?? Infinity) / 20));
  for (let at = 0; at < end && !response.destroyed; at += step) {
    const chunk = body.subarray(at, Math.min(at + step, end));
    const roomLeft = response.write(chunk);
    file.sent += chunk.length;
    if (!roomLeft) await drained(response);
    if (file.bytesPerSecond) await sleep((chunk.length / file.bytesPerSecond) * 1000);
  }
  if (end < body.length) {
    // What was written must be out before the connection breaks.
    await sleep(20);
    response.destroy();
  } else response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.once("drain", done).once("close", done);
  });
}
