import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { freshAddress } from "../support/addresses.ts";

/** The Go programs were recorded with their sources on these ports of 127.0.0.1. */
const FILES_PORT = 18080;
const REGISTRY_PORT = 18090;

/** The layer of the recorded registry: 9,000,000 bytes of 7. */
export const LAYER_DIGEST =
  "sha256:e894435e800e122fdcc592abcf025f39ee968f4e809068b951bd4aaba5621f84";

/** So much of the recorded generator's bytes as `length` says (transcripts/README.md). */
function generated(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let x = 12345;
  for (let i = 0; i < length; i++) {
    x = (x * 1103515245 + 12345) & 0x7fffffff;
    bytes[i] = (x >> 16) & 0xff;
  }
  return bytes;
}

const THREE = generated(10_000_000);

/** The recorded source's files by their path. */
const FILES: Readonly<Record<string, () => Buffer>> = {
  "/tiny": () => THREE.subarray(0, 1000),
  "/three": () => THREE,
  "/auth": () => THREE,
  "/p4m": () => THREE.subarray(0, 4_194_304),
  "/p4m5": () => THREE.subarray(0, 4_194_299),
  "/p4m1": () => THREE.subarray(0, 4_194_305),
  "/big": () => Buffer.alloc(314_572_800),
  "/empty": () => Buffer.alloc(0),
};

/** What the recorded source has under a URL. */
export function sourceFile(url: string): Buffer | undefined {
  const { pathname } = new URL(url);
  if (pathname.includes("/blobs/")) return Buffer.alloc(9_000_000, 7);
  return FILES[pathname]?.();
}

/** What was asked of the source. */
export interface SourceRequest {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
}

/**
 * The source and the registry of the recordings. Our programs look for them at the recorded
 * `127.0.0.1` and are sent to `address` by their `hostAliases`, so that every URL, and with it every
 * task id, is the recorded one.
 */
export class Origin {
  readonly address = freshAddress();
  readonly requests: SourceRequest[] = [];
  readonly #servers = [this.#answerFile, this.#answerRegistry].map((answer) =>
    createServer((request, response) => {
      const { method = "GET", url: path = "/", headers } = request;
      this.requests.push({ method, path, headers });
      answer.call(this, request, response);
    }),
  );

  static async start(): Promise<Origin> {
    const origin = new Origin();
    const [files, registry] = origin.#servers;
    await Promise.all([
      new Promise<void>((resolve) => files!.listen(FILES_PORT, origin.address, resolve)),
      new Promise<void>((resolve) => registry!.listen(REGISTRY_PORT, origin.address, resolve)),
    ]);
    return origin;
  }

  close(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  #answerFile(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", `http://127.0.0.1:${FILES_PORT}`);
    const content = sourceFile(url.href);
    if (url.pathname === "/auth" && request.headers.authorization !== "Basic dTpw") {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="x"' }).end();
    } else if (!content) response.writeHead(404).end();
    else send(content, request, response);
  }

  #answerRegistry(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "/";
    if (path.includes(`/blobs/${LAYER_DIGEST}`)) {
      response.setHeader("Content-Type", "application/octet-stream");
      response.setHeader("Docker-Content-Digest", LAYER_DIGEST);
      response.setHeader("ETag", '"e"');
      send(sourceFile(`http://registry${path}`)!, request, response);
    } else if (path.includes("/manifests/")) {
      const type = "application/vnd.docker.distribution.manifest.v2+json";
      response.writeHead(200, { "Content-Type": type, "Docker-Content-Digest": "sha256:x" });
      response.end("{}");
    } else {
      const challenge = `Bearer realm="http://127.0.0.1:${REGISTRY_PORT}/token",service="x"`;
      response.writeHead(401, { "WWW-Authenticate": challenge }).end();
    }
  }
}

function send(content: Buffer, request: IncomingMessage, response: ServerResponse): void {
  const range = parseRangeHeader(request.headers.range, content.length);
  if (range.kind === "unsatisfiable") {
    response.writeHead(416, { "Content-Range": `bytes */${content.length}` }).end();
    return;
  }
  let body = content;
  response.setHeader("Accept-Ranges", "bytes");
  if (range.kind === "part") {
    response.statusCode = 206;
    response.setHeader("Content-Range", `bytes ${range.start}-${range.end}/${content.length}`);
    body = content.subarray(range.start, range.end + 1);
  }
  response.setHeader("Content-Length", body.length);
  response.end(request.method === "HEAD" ? undefined : body);
}
