import { describe, expect, it } from "vitest";
import fc from "../../tests/support/fast_check.ts";
import { ResponseParser } from "./response_parser.ts";

/** What an answer says, cut at these places. */
function read(text: string, cuts: readonly number[] = [], ends = false) {
  const bytes = new TextEncoder().encode(text);
  const said = { status: 0, length: Number.NaN, body: "", whole: false, keepAlive: false };
  const parser = new ResponseParser({
    onHead: ({ status, length }) => Object.assign(said, { status, length }),
    onBody: (chunk) => {
      said.body += new TextDecoder().decode(chunk);
    },
    onEnd: () => {
      said.whole = true;
    },
  });
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...places, bytes.length]) {
    parser.push(bytes.subarray(from, to));
    from = to;
  }
  if (ends) parser.end();
  said.keepAlive = parser.keepAlive;
  return said;
}

const COUNTED = "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nX: a: b\r\n\r\nhello";
const CHUNKED =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n, world!!!\r\n0\r\nTrailer: 1\r\n\r\n";

describe("an answer", () => {
  it.each([
    ["of a length", COUNTED, { status: 206, length: 5, body: "hello", keepAlive: true }],
    ["in chunks", CHUNKED, { status: 200, length: -1, body: "hello, world!!!", keepAlive: true }],
    [
      "without a body",
      "HTTP/1.1 204 No Content\r\n\r\n",
      { status: 204, length: 0, body: "", keepAlive: true },
    ],
    [
      "after an interim one",
      `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${COUNTED}`,
      { status: 206, length: 5, body: "hello", keepAlive: true },
    ],
    [
      "that is the last one",
      "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
      { status: 404, length: 2, body: "no", keepAlive: false },
    ],
    [
      "of HTTP/1.0",
      "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
      { status: 200, length: 2, body: "ok", keepAlive: false },
    ],
    [
      "without a reason",
      "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
      { status: 200, length: 0, body: "", keepAlive: true },
    ],
  ])("%s is read, however it is cut", (_what, text, expected) => {
    fc.assert(
      fc.property(fc.array(fc.nat()), (cuts) => {
        expect(read(text, cuts)).toEqual({ ...expected, whole: true });
      }),
    );
  });

  it("that only the connection's end ends is whole then", () => {
    const text = "HTTP/1.1 200 OK\r\n\r\nhello";
    expect(read(text)).toMatchObject({ body: "hello", whole: false });
    expect(read(text, [], true)).toMatchObject({ body: "hello", whole: true, keepAlive: false });
  });

  it.each([
    ["what is no answer", "SSH-2.0-OpenSSH_9.2\r\n\r\n", /first line/],
    ["HTTP/2", "HTTP/2 200\r\n\r\n", /first line/],
    ["a head without end", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}`, /too long/],
    ["a line without a name", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", /without a name/],
    ["a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", /content-length/],
    [
      "a coding that it does not know",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
      /coding/,
    ],
    ["more than it says", `${COUNTED}!`, /more than the answer/],
    [
      "a chunk's size that is none",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
      /size/,
    ],
    [
      "a chunk that is longer than it says",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nhello\r\n",
      /longer/,
    ],
    [
      "a chunk's line without end",
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1${" ".repeat(2000)}`,
      /too long/,
    ],
  ])("is refused with %s", (_what, text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it.each([COUNTED.slice(0, 10), COUNTED.slice(0, -1), CHUNKED.slice(0, -4)])(
    "that breaks off is not whole: %j",
    (text) => {
      expect(() => read(text, [], true)).toThrow(/ends within/);
    },
  );
});
