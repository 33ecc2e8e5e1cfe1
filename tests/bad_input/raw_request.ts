import { connect } from "node:net";

export interface Place {
  address: string;
  port: number;
}

export interface RawRequest {
  method?: string;
  /** Path and query, sent as it is. */
  target: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** Sends the body in chunks, its length unsaid. */
  chunked?: boolean;
}

export interface RawAnswer {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: string;
}

/** Sends a request that no well-behaved HTTP client would, and reads the answer. */
export function sendRaw(place: Place, request: RawRequest): Promise<RawAnswer> {
  const { method = "GET", target, body = "", chunked = false } = request;
  const bytes = Buffer.from(body);
  const length = chunked
    ? { "Transfer-Encoding": "chunked" }
    : bytes.length > 0
      ? { "Content-Length": String(bytes.length) }
      : {};
  const headers = { Host: `${place.address}:${place.port}`, ...length, ...request.headers };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${method} ${target} HTTP/1.1\r\n${lines.join("")}Connection: close\r\n\r\n`;
  return sendBytes(
    place,
    Buffer.concat([Buffer.from(head, "latin1"), chunked ? chunks(bytes) : bytes]),
  );
}

/** Sends bytes and reads the answer until the other side closes. */
export async function sendBytes(place: Place, bytes: Uint8Array): Promise<RawAnswer> {
  const received = await new Promise<Buffer>((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect({ host: place.address, port: place.port });
    socket.on("data", (part) => parts.push(part));
    // A server may answer and close before it has read all of an overlong body.
    socket.on("error", (error) =>
      parts.length > 0 ? resolve(Buffer.concat(parts)) : reject(error),
    );
    socket.on("close", () => resolve(Buffer.concat(parts)));
    socket.write(bytes);
  });
  return parse(received);
}

function chunks(bytes: Buffer): Buffer {
  const size = 64 * 1024;
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

function parse(received: Buffer): RawAnswer {
  const end = received.indexOf("\r\n\r\n");
  const [first = "", ...lines] = received.subarray(0, Math.max(0, end)).toString().split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]);
  if (!status) throw new Error(`no HTTP answer: ${received.subarray(0, 200).toString()}`);
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return { status, headers, body: received.subarray(end + 4).toString() };
}
