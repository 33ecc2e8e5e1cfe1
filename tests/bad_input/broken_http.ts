import { expect, it } from "vitest";
import { type Place, sendBytes } from "./raw_request.ts";

const HOST = "Host: x\r\nConnection: close\r\n";
const LONG = "x".repeat(300_000);

/** What is no proper HTTP at all, and what is to be answered. */
const BROKEN: Record<string, [bytes: string, statuses: number[]]> = {
  "no HTTP": ["GARBAGE\r\n\r\n", [400]],
  "TLS on a plain port": ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]],
  "another version": [`GET /_ping HTTP/9.9\r\n${HOST}\r\n`, [400, 505]],
  "no host": ["GET /nope HTTP/1.1\r\nConnection: close\r\n\r\n", [400]],
  "a host that is none": [
    "GET /nope HTTP/1.1\r\nHost: a b/c@d\r\nConnection: close\r\n\r\n",
    [400],
  ],
  "a header without a colon": [`GET /nope HTTP/1.1\r\n${HOST}nonsense\r\n\r\n`, [400]],
  "a NUL in a header": [`GET /nope HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`, [400]],
  "a header of 300 KB": [`GET /nope HTTP/1.1\r\n${HOST}X: ${LONG}\r\n\r\n`, [431]],
  "a path of 300 KB": [`GET /${LONG} HTTP/1.1\r\n${HOST}\r\n`, [414, 431]],
  "two lengths": [
    `POST /nope HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx`,
    [400],
  ],
  "a negative length": [`POST /nope HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`, [400]],
  "a length and chunks": [
    `POST /nope HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    [400],
  ],
  "a broken chunk": [
    `POST /nope HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nnonsense\r\n`,
    [400, 404],
  ],
  "a method nobody knows": [`FROB /nope HTTP/1.1\r\n${HOST}\r\n`, [400]],
};

/** Tests that a server answers broken HTTP with 4xx. */
export function itSurvivesBrokenHttp(place: () => Place): void {
  it.each(Object.entries(BROKEN))("%s", async (_what, [bytes, statuses]) => {
    const answer = await sendBytes(place(), Buffer.from(bytes, "latin1"));
    expect(statuses).toContain(answer.status);
  });
}
