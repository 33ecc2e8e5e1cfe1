import type { Dice } from "./dice.ts";
import { clientHello } from "./tls_records.ts";

/** A request before it is put into bytes. */
export interface HttpRequest {
  method: string;
  target: string;
  headers?: readonly (readonly [name: string, value: string])[];
  body?: Buffer;
}

/** The path that no server may ever be asked for: it stands only where no request can be. */
export const SMUGGLED = "/smuggled";
const SMUGGLED_REQUEST = `GET ${SMUGGLED} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** The bytes of a request as RFC 9112 has it. */
export function wellFramed(dice: Dice, request: HttpRequest, close: boolean): Buffer {
  const { body } = request;
  if (!body) return Buffer.concat([head(request, close, [])]);
  if (dice.chance(0.8))
    return Buffer.concat([head(request, close, [["Content-Length", String(body.length)]]), body]);
  const coding = [["Transfer-Encoding", "chunked"]] as const;
  return Buffer.concat([head(request, close, coding), chunked(dice, body)]);
}

function head(
  { method, target, headers = [] }: HttpRequest,
  close: boolean,
  framing: readonly (readonly [string, string])[],
): Buffer {
  const all = [["Host", "x"], ...headers, ...framing, ...(close ? [["Connection", "close"]] : [])];
  const lines = all.map(([name, text]) => `${name}: ${text}\r\n`).join("");
  return Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`, "latin1");
}

function chunked(dice: Dice, body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const part = body.subarray(at, at + 1 + dice.int(1000));
    const extension = dice.chance(0.1) ? ";a=b" : "";
    parts.push(
      Buffer.from(`${part.length.toString(16)}${extension}\r\n`),
      part,
      Buffer.from("\r\n"),
    );
    at += part.length;
  }
  const trailer = dice.chance(0.1) ? "X-Trailer: a\r\n" : "";
  return Buffer.concat([...parts, Buffer.from(`0\r\n${trailer}\r\n`)]);
}

type Breakage = (dice: Dice, request: HttpRequest) => Buffer;

/** A request with other header lines than it should have, and what comes after them. */
function lines(request: HttpRequest, extra: string, after: string | Buffer = ""): Buffer {
  const { method, target } = request;
  return Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: x\r\n${extra}\r\n`, "latin1"),
    Buffer.from(after),
  ]);
}

/** Lengths that contradict each other; behind them stands a request for somebody who reads the other. */
const TWO_FRAMINGS = [
  "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
  "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
  "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n",
  "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
  "Content-Length: 5\r\nTransfer-Encoding:\x0bchunked\r\n",
  "Content-Length: 5\r\nTransfer-Encoding: chunked, identity\r\n",
  "Content-Length: 5\r\nTransfer-Encoding: identity, chunked, chunked\r\n",
  "Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n",
  "Content-Length: 5\r\nX: y\r\n Transfer-Encoding: chunked\r\n",
  "Content-Length: 5\r\nContent-Length: 6\r\n",
  "Content-Length: 5, 6\r\n",
  "Content-Length: +5\r\n",
  "Content-Length: 0x5\r\n",
  "Content-Length: -5\r\n",
  "Content-Length: 5 5\r\n",
  "Content-Length: 99999999999999999999\r\n",
  "Transfer-Encoding: gzip\r\n",
];

const CHUNKS = [
  "5;\nx\r\nabcde\r\n0\r\n\r\n",
  "5\nabcde\n0\n\n",
  "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n",
  "-5\r\nabcde\r\n0\r\n\r\n",
  "5 \r\nabcde\r\n0\r\n\r\n",
  "0x5\r\nabcde\r\n0\r\n\r\n",
  "5\r\nabcdefgh\r\n0\r\n\r\n",
  "0\r\nContent-Length: 5\r\nHost: a\r\n\r\n",
  "5\r\nab",
  "",
];

const VERSIONS = [
  "",
  "HTTP/0.9",
  "HTTP/1.0",
  "HTTP/1.2",
  "HTTP/2.0",
  "HTTP/9.9",
  "HTTP/1.1 HTTP/1.1",
];

const HEADER_LINES = [
  "nonsense\r\n",
  ": nothing\r\n",
  "X : a\r\n",
  "X: a\0b\r\n",
  "X: a\rb: c\r\n",
  "X\r\n folded\r\n",
  "X: \x7f\x01\r\n",
  "X: \xff\xfe\r\n",
  "Host: y\r\n",
  "Host: a b/c@d\r\n",
  "Expect: nonsense\r\n",
  "Expect: 100-continue\r\n",
  "Upgrade: websocket\r\nConnection: upgrade\r\n",
  "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
  "Connection: host, content-length, range\r\n",
  "Connection: keep-alive, close\r\n",
];

export const BREAKAGES: Readonly<Record<string, Breakage>> = {
  "two framings": (dice, request) =>
    lines(
      { ...request, method: dice.pick(["POST", "GET", "PUT"]) },
      dice.pick(TWO_FRAMINGS),
      `0\r\n\r\n${SMUGGLED_REQUEST}`,
    ),
  "broken chunks": (dice, request) =>
    lines({ ...request, method: "POST" }, "Transfer-Encoding: chunked\r\n", dice.pick(CHUNKS)),
  "a body that ends early": (dice, request) =>
    lines({ ...request, method: "POST" }, `Content-Length: ${1 + dice.int(5000)}\r\n`, "{"),
  "another version": (dice, { method, target }) =>
    Buffer.from(`${method} ${target} ${dice.pick(VERSIONS)}\r\nHost: x\r\n\r\n`, "latin1"),
  "a broken header": (dice, request) =>
    lines(request, `${dice.pick(HEADER_LINES)}Connection: close\r\n`),
  "no host": (_dice, { method, target }) =>
    Buffer.from(`${method} ${target} HTTP/1.1\r\n\r\n`, "latin1"),
  "lines that end in LF": (_dice, { method, target }) =>
    Buffer.from(`${method} ${target} HTTP/1.1\nHost: x\nConnection: close\n\n`, "latin1"),
  "an empty line first": (_dice, request) =>
    Buffer.concat([Buffer.from("\r\n\r\n"), lines(request, "Connection: close\r\n")]),
  "very many headers": (dice, request) =>
    lines(request, "X: y\r\n".repeat(dice.pick([100, 1000, 3000, 20_000]))),
  "a header of up to 1 MB": (dice, request) =>
    lines(request, `X: ${"x".repeat(dice.pick([10_000, 60_000, 70_000, 1_000_000]))}\r\n`),
  "a URL of up to 1 MB": (dice, request) =>
    lines(
      { ...request, target: `/${"a".repeat(dice.pick([10_000, 40_000, 70_000, 1_000_000]))}` },
      "",
    ),
  "a head that does not end": (dice, request) => {
    const whole = lines(request, "Range: bytes=0-1\r\n");
    return whole.subarray(0, dice.int(whole.length));
  },
  "flipped bytes": (dice, request) => {
    const whole = lines(request, "Range: bytes=0-1\r\nAccept: a/b\r\nConnection: close\r\n");
    // Not the first line: it may name a host, and none but ours must be asked.
    const from = whole.indexOf("\r\n") + 2;
    for (let flips = 1 + dice.int(4); flips > 0; flips--)
      whole[from + dice.int(whole.length - from)] = dice.int(256);
    return whole;
  },
  "a method nobody knows": (dice, request) =>
    lines(
      { ...request, method: dice.pick(["FROB", "get", "", "G ET", "PRI", "SOURCE", "M-SEARCH"]) },
      "",
    ),
  "a way of asking of HTTP/2": () => Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  "a ClientHello": (dice) => clientHello(dice),
  noise: (dice) => dice.bytes(1 + dice.int(500)),
};
