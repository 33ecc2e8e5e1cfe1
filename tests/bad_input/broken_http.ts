import { expect, it } from "vitest";
import { type Place, sendBytes } from "./raw_request.ts";

const HOST = "Host: x\r\nConnection: close\r\n";
const LONG = "x".repeat(300_000);

/** What is no proper HTTP at all, with {} for a path, and what is to be answered. */
const BROKEN: Record<string, [bytes: string, statuses: number[]]> = {
  "no HTTP": ["GARBAGE\r\n\r\n", [400]],
  "TLS on a plain port": ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]],
  "another version": [`GET /_ping HTTP/9.9\r\n${HOST}\r\n`, [400, 505]],
  "no host": ["GET {} HTTP/1.1\r\nConnection: close\r\n\r\n", [400]],
  "a host that is none": ["GET {} HTTP/1.1\r\nHost: a b/c@d\r\nConnection: close\r\n\r\n", [400]],
  "a header without a colon": [`GET {} HTTP/1.1\r\n${HOST}nonsense\r\n\r\n`, [400]],
  "a NUL in a header": [`GET {} HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`, [400]],
  "a header of 300 KB": [`GET {} HTTP/1.1\r\n${HOST}X: ${LONG}\r\n\r\n`, [431]],
  "a path of 300 KB": [`GET /${LONG} HTTP/1.1\r\n${HOST}\r\n`, [414, 431]],
  "two lengths": [
    `POST {} HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx`,
    [400],
  ],
  "a negative length": [`POST {} HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`, [400]],
  "a length and chunks": [
    `POST {} HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    [400],
  ],
  "a broken chunk": [
    `POST {} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nnonsense\r\n`,
    [400, 404, 405],
  ],
  "a method nobody knows": [`FROB {} HTTP/1.1\r\n${HOST}\r\n`, [400]],
};

/**
 * Tests that a server answers broken HTTP with 4xx.
 *
 * @param path one that the server answers itself
 */
export function itSurvivesBrokenHttp(place: () => Place, path = "/nope"): void {
  it.each(Object.entries(BROKEN))("%s", async (_what, [bytes, statuses]) => {
    const answer = await sendBytes(place(), Buffer.from(bytes.replace("{}", path), "latin1"));
    expect(statuses).toContain(answer.status);
  });
}
