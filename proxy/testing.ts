/** What the tests of the proxy share: a registry, a peer to order, and clients that speak by hand. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { connect as tlsConnect } from "node:tls";
import type { HashedStart, OpenFile, OpenRequest, Peer, PeerStatus } from "../peer/mod.ts";
import { createAuthority, type KeyPair, mintLeaf } from "../runtime/certificates.ts";
import { parseRangeHeader } from "../runtime/http_range.ts";
import { defaultConfig } from "./settings.ts";
import { type ProxyOptions, type RunningProxy, startProxy } from "./start.ts";

/** Undone in reverse order by {@link cleanUp}, which every test file calls after each test. */
const cleanUps: (() => unknown)[] = [];

export async function cleanUp(): Promise<void> {
  for (const undo of cleanUps.splice(0).reverse()) await undo();
}

export function defer(undo: () => unknown): void {
  cleanUps.push(undo);
}

export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "proxy-test-"));
  defer(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export function authority(commonName = "test"): Promise<KeyPair> {
  return createAuthority({ commonName, days: 2, nowMs: Date.now() });
}

export function leaf(by: KeyPair, ...names: string[]): Promise<KeyPair> {
  return mintLeaf(by, { names, days: 1, nowMs: Date.now() });
}

/** Writes a pair to files, as configurations name them. */
export async function pairFiles(pair: KeyPair): Promise<{ cert: string; key: string }> {
  const directory = await scratchDirectory();
  const files = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  await writeFile(files.cert, pair.cert);
  await writeFile(files.key, pair.key);
  return files;
}

/** A request as a test server got it. */
export interface Seen {
  method: string;
  url: string;
  headers: http.IncomingHttpHeaders;
  rawHeaders: string[];
}

export interface TestServer {
  port: number;
  seen: Seen[];
  /** Connections open now. */
  connections(): Promise<number>;
}

/** A server on a free port of loopback, by TLS where a pair is given, that remembers requests. */
export async function startServer(
  handle: (request: IncomingMessage, response: ServerResponse) => unknown,
  pair?: KeyPair,
): Promise<TestServer> {
  const seen: Seen[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const { method = "", url = "", headers, rawHeaders } = request;
    seen.push({ method, url, headers, rawHeaders });
    handle(request, response);
  };
  const server = pair ? https.createServer(pair, listener) : http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  defer(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
  };
}

/** A blob with its digest, and how a registry serves it. */
export interface Blob {
  content: Buffer;
  digest: string;
  path: string;
}

export function randomBlob(size: number): Blob {
  const content = randomBytes(size);
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  return { content, digest, path: `/v2/team/app/blobs/${digest}` };
}

/** Answers for `blob` as a registry does: HEAD, ranges, digest and validator. */
export function serveTestBlob(
  blob: Blob,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const range = parseRangeHeader(request.headers.range, blob.content.length);
  const body =
    range.kind === "part" ? blob.content.subarray(range.start, range.end + 1) : blob.content;
  if (range.kind === "part") {
    response.statusCode = 206;
    response.setHeader("Content-Range", `bytes ${range.start}-${range.end}/${blob.content.length}`);
  }
  response.setHeader("Content-Type", "application/octet-stream");
  response.setHeader("Docker-Content-Digest", blob.digest);
  response.setHeader("ETag", `"${blob.digest}"`);
  response.setHeader("Content-Length", body.length);
  response.end(request.method === "HEAD" ? undefined : body);
}

/** A peer that does what a test orders. */
export class TestPeer implements Peer {
  ip = "127.0.0.1";
  readonly port = 15001;
  readonly opened: OpenRequest[] = [];
  /** How it opens a file. */
  onOpen: (request: OpenRequest) => OpenFile | Promise<OpenFile>;

  constructor(onOpen: (request: OpenRequest) => OpenFile | Promise<OpenFile>) {
    this.onOpen = onOpen;
  }

  async open(request: OpenRequest): Promise<OpenFile> {
    this.opened.push(request);
    return this.onOpen(request);
  }

  status(): PeerStatus {
    return { downloads: 0, cachedFiles: 0, cachedBytes: 0 };
  }

  adjust(): void {}

  async moveTo(ip: string): Promise<void> {
    this.ip = ip;
  }

  async close(): Promise<void> {}
}

export interface TestFileOptions {
  /** Fails after this many bytes of the stream… */
  failAfter?: number;
  /** …with this; without it, the stream then stays silent. */
  error?: Error;
  /** What it has hashed when it is asked. */
  hashed?: () => HashedStart | undefined;
  /** Told when the stream is cancelled. */
  onCancel?: () => void;
  /** Told of each chunk asked for. */
  onChunk?: (bytes: number) => void;
}

/** A file of a {@link TestPeer}. */
export function testFile(content: Uint8Array, options: TestFileOptions = {}): OpenFile {
  return {
    taskId: "test",
    length: content.byteLength,
    done: new Promise(() => {}),
    giveBack: () => {},
    quietMs: () => Number.POSITIVE_INFINITY,
    hashedStart: async () => options.hashed?.(),
    stream(range = { start: 0, end: content.byteLength - 1 }) {
      const bytes = content.subarray(range.start, range.end + 1);
      const limit = options.failAfter ?? Number.POSITIVE_INFINITY;
      let at = 0;
      return new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            if (at >= limit) {
              if (options.error) controller.error(options.error);
              return options.error ? undefined : new Promise(() => {});
            }
            const chunk = bytes.slice(at, Math.min(at + 64 * 1024, limit));
            at += chunk.byteLength;
            options.onChunk?.(chunk.byteLength);
            if (chunk.byteLength > 0) controller.enqueue(chunk);
            if (at >= bytes.byteLength) controller.close();
          },
          cancel: () => options.onCancel?.(),
        },
        { highWaterMark: 0 },
      );
    },
  };
}

/** Starts a proxy on a free port of loopback, with `peer` in it. */
export async function startTestProxy(
  given: Readonly<Record<string, unknown>>,
  peer: Peer = new TestPeer(() => {
    throw new Error("no p2p in this test");
  }),
  options: Partial<ProxyOptions> = {},
): Promise<RunningProxy> {
  const proxy = await startProxy({
    config: defaultConfig({ port: 0, ...given }),
    peerOptions: { ip: "127.0.0.1", port: 0, dataDir: "/nowhere", supernodes: [] },
    startPeer: async () => peer,
    ...options,
  });
  defer(() => proxy.close(0));
  return proxy;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  rawHeaders: string[];
  body: Buffer;
  /** Whether the connection broke before the end. */
  cut: boolean;
}

export interface Ask {
  method?: string;
  /** Path, or the whole URL for a request in absolute form. */
  path: string;
  headers?: http.OutgoingHttpHeaders;
  body?: Uint8Array | AsyncIterable<Uint8Array>;
  port?: number;
  /** A connection to send it on, which is then kept open. */
  socket?: Socket;
}

/** Sends one request and reads its answer, cut short or not. */
export async function ask({
  method = "GET",
  path,
  headers,
  body,
  port,
  socket,
}: Ask): Promise<Answer> {
  const request = http.request({
    host: "127.0.0.1",
    port,
    method,
    path,
    headers: socket ? { Host: "unset", Connection: "keep-alive", ...headers } : headers,
    ...(socket ? { createConnection: () => socket } : { agent: false }),
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", reject);
  });
  if (body instanceof Uint8Array) request.end(body);
  else if (body) {
    for await (const chunk of body) request.write(chunk);
    request.end();
  } else request.end();
  const response = await answered;
  const chunks: Buffer[] = [];
  let cut = false;
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch {
    cut = true;
  }
  return {
    status: response.statusCode!,
    headers: response.headers,
    rawHeaders: response.rawHeaders,
    body: Buffer.concat(chunks),
    cut,
  };
}

/** Opens a connection to the proxy, by TLS where it takes that. */
export async function connectTo(port: number, ca?: string): Promise<Socket> {
  const socket = ca
    ? tlsConnect({ port, host: "127.0.0.1", ca, servername: "localhost" })
    : connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  defer(() => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once(ca ? "secureConnect" : "connect", () => resolve());
    socket.once("error", reject);
  });
  return socket;
}

/** Sends CONNECT on a connection and reads the head of the answer. */
export async function sendConnect(socket: Socket, target: string, more = ""): Promise<string> {
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n${more}`);
  let text = "";
  while (!text.includes("\r\n\r\n")) {
    const chunk = socket.read() as Buffer | null;
    if (chunk) text += chunk.toString("latin1");
    else
      await new Promise<void>((resolve, reject) => {
        socket.once("readable", resolve);
        socket.once("close", () => reject(new Error(`closed after: ${text}`)));
      });
  }
  return text;
}

/** A connection that sends CONNECT in one segment with whatever its user sends first. */
export function eagerConnection(socket: Socket, target: string): Duplex {
  let head: string | undefined = `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;
  let answer: Buffer | undefined = Buffer.alloc(0);
  const duplex = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      socket.write(head ? Buffer.concat([Buffer.from(head), chunk]) : chunk, done);
      head = undefined;
    },
  });
  socket.on("data", (chunk) => {
    if (!answer) return void duplex.push(chunk);
    answer = Buffer.concat([answer, chunk]);
    const end = answer.indexOf("\r\n\r\n");
    if (end < 0) return;
    if (answer.length > end + 4) duplex.push(answer.subarray(end + 4));
    answer = undefined;
  });
  socket.on("close", () => duplex.destroy());
  return duplex;
}

/** Speaks TLS inside a connection, to whoever answers as `host`. */
export async function secure(socket: Duplex, host: string, ca: string): Promise<Socket> {
  const inner = tlsConnect({ socket, servername: host, ca, ALPNProtocols: ["h2", "http/1.1"] });
  defer(() => inner.destroy());
  await new Promise<void>((resolve, reject) => {
    inner.once("secureConnect", () => resolve());
    inner.once("error", reject);
  });
  return inner;
}

/** A connection through the proxy to a hijacked host, ready for requests. */
export async function hijackedConnection(
  port: number,
  target: string,
  ca: string,
  outerCa?: string,
): Promise<Socket> {
  const socket = await connectTo(port, outerCa);
  const head = await sendConnect(socket, target);
  if (!head.startsWith("HTTP/1.1 200 ")) throw new Error(head);
  return secure(socket, target.split(":")[0]!, ca);
}
