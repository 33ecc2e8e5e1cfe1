import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { SourceRefusedError } from "./fetch_source.ts";
import { readSourceOn } from "./read_source_on.ts";

const content = randomBytes(100_000);
const LAST = content.byteLength - 1;

/**
 * Reads a file from a real source.
 *
 * @param answers how many bytes each answer brings before it breaks off, or the status of those that bring none; those
 *   after them are whole
 */
async function read(answers: (number | { status: number })[]) {
  const http = new HttpClient();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const how = answers[asked.length];
    asked.push(request.headers.range!);
    if (typeof how === "object") return void response.writeHead(how.status).end();
    const range = parseRangeHeader(request.headers.range, content.byteLength);
    if (range.kind !== "part") return void response.writeHead(400).end();
    const body = content.subarray(range.start, range.end + 1);
    response.writeHead(206, {
      "content-length": body.byteLength,
      "content-range": `bytes ${range.start}-${range.end}/${content.byteLength}`,
    });
    if (how === undefined) return void response.end(body);
    response.write(body.subarray(0, how), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    http.close();
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
  const chunks: Buffer[] = [];
  const done = readSourceOn(
    { url, headers: {} },
    { start: 0, end: LAST },
    {
      onBody: (chunk) => {
        chunks.push(Buffer.from(chunk));
        return undefined;
      },
    },
    { http, signal: new AbortController().signal },
  );
  return { done, asked, bytes: () => Buffer.concat(chunks) };
}

it("asks for the rest where an answer breaks off, and for nothing twice", async () => {
  const { done, asked, bytes } = await read([30_000, 1, 1, 1, 1, 20_000]);
  await done;
  expect(bytes().equals(content)).toBe(true);
  const starts = [0, 30_000, 30_001, 30_002, 30_003, 30_004, 50_004];
  expect(asked).toEqual(starts.map((start) => `bytes=${start}-${LAST}`));
});

it.each([429, 500, 503])("asks one again that has too much to do (%i)", async (status) => {
  const { done, asked, bytes } = await read([{ status }, 30_000, { status }]);
  await done;
  expect(bytes().equals(content)).toBe(true);
  expect(asked).toHaveLength(4);
});

it("gives a source up that has too much to do again and again", async () => {
  const { done, asked } = await read(Array.from({ length: 9 }, () => ({ status: 503 })));
  await expect(done).rejects.toThrow(SourceRefusedError);
  expect(asked).toHaveLength(4);
});

it.each([401, 403, 404])("does not ask one again that refuses (%i)", async (status) => {
  const { done, asked } = await read([30_000, { status }]);
  await expect(done).rejects.toThrow(SourceRefusedError);
  expect(asked).toHaveLength(2);
});
