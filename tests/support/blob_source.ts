import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { freshAddress } from "./addresses.ts";
import type { Dfdaemon } from "./dfdaemon.ts";
import type { Scratch } from "./scratch.ts";

/** Sends the bytes that were asked for, behind a head that is written already. */
export type SendBlob = (response: ServerResponse, body: Buffer) => unknown;

/** A registry of blobs that sends them as a test says. It answers HEAD and Range as registries do. */
export class BlobSource {
  readonly #url: string;
  readonly #blobs: Map<string, Buffer>;

  private constructor(url: string, blobs: Map<string, Buffer>) {
    this.#url = url;
    this.#blobs = blobs;
  }

  /** @param send asked for each GET */
  static async start(scratch: Scratch, send: SendBlob): Promise<BlobSource> {
    const blobs = new Map<string, Buffer>();
    const server = createServer((asking, response) => {
      const content = blobs.get(asking.url ?? "");
      if (!content) return void response.writeHead(404).end();
      const body = writeHead(asking, response, content);
      if (asking.method === "HEAD") return void response.end();
      Promise.resolve(send(response, body)).catch(() => response.destroy());
    });
    const address = freshAddress();
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    scratch.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    return new BlobSource(`http://${address}:${(server.address() as AddressInfo).port}`, blobs);
  }

  /** Another blob, of random bytes. */
  add(size: number): { url: string; content: Buffer } {
    const content = randomBytes(size);
    const digest = createHash("sha256").update(content).digest("hex");
    const path = `/v2/library/x/blobs/sha256:${digest}`;
    this.#blobs.set(path, content);
    return { url: this.#url + path, content };
  }
}

/** Says what comes, and returns it. */
function writeHead(asking: IncomingMessage, response: ServerResponse, content: Buffer): Buffer {
  const range = parseRangeHeader(asking.headers.range, content.byteLength);
  const { start, end } = range.kind === "part" ? range : { start: 0, end: content.byteLength - 1 };
  response.setHeader("Accept-Ranges", "bytes");
  response.setHeader("Content-Length", end + 1 - start);
  if (range.kind === "part") {
    response.statusCode = 206;
    response.setHeader("Content-Range", `bytes ${start}-${end}/${content.byteLength}`);
  }
  return content.subarray(start, end + 1);
}

/**
 * Gets a blob by a node's proxy, as its clients do; gives what came, and whether that was all.
 *
 * @param onBytes told of each stretch that comes
 * @param range the value of a `Range` header
 */
export function getByProxy(
  { address, port }: Dfdaemon,
  url: string,
  onBytes: (bytes: number) => void = () => {},
  range?: string,
): Promise<{ bytes: Buffer; isWhole: boolean }> {
  return new Promise((resolve, reject) => {
    const headers = range === undefined ? {} : { range };
    request({ host: address, port, path: url, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        onBytes(chunk.byteLength);
      });
      const done = () => resolve({ bytes: Buffer.concat(chunks), isWhole: response.complete });
      response.once("error", done).once("end", done);
    })
      .once("error", reject)
      .end();
  });
}
