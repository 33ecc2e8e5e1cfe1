import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { fetchSourceRange, openSource } from "./fetch_source.ts";

const CONTENT = "0123456789";
const RANGE = { start: 2, end: 5 };

const http = new HttpClient();
let url: string;
let asked: IncomingMessage[];
let answer: (response: ServerResponse) => void;
const server = createServer((request, response) => {
  asked.push(request);
  if (request.url!.startsWith("/away"))
    response.writeHead(302, { location: request.url!.replace("/away", "/file") }).end();
  else answer(response);
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file?token=planted`;
});
afterAll(() => {
  http.close();
  server.close();
  server.closeAllConnections();
});
const part =
  (range: string, text = "2345") =>
  (response: ServerResponse) =>
    response.writeHead(206, { "content-range": `bytes ${range}/10` }).end(text);
beforeEach(() => {
  asked = [];
  answer = part("2-5");
});

const source = (more: Partial<Parameters<typeof openSource>[0]> = {}) => ({
  url,
  headers: { "X-Token": "a" },
  ...more,
});
type More = Partial<Parameters<typeof openSource>[1]>;
const fetchPart = (more: More = {}, of = source()) =>
  fetchSourceRange(of, RANGE, { http, ...more });

it("asks for a part with the caller's headers, behind redirects too, and counts what comes", async () => {
  let heard = 0;
  const passed: number[] = [];
  const limit = { rate: 0, pass: (bytes: number) => void passed.push(bytes) } as RateLimit;
  const away = source({ url: url.replace("/file", "/away") });
  const bytes = await fetchPart({ limiters: [limit], onBytes: () => (heard += 1) }, away);
  expect(Buffer.from(bytes).toString()).toBe("2345");
  expect(asked.map(({ headers }) => [headers.range, headers["x-token"]])).toEqual([
    ["bytes=2-5", "a"],
    ["bytes=2-5", "a"],
  ]);
  expect([heard > 0, passed.reduce((sum, one) => sum + one, 0)]).toEqual([true, 4]);
});

it.each<[string, (response: ServerResponse) => void, string]>([
  ["of another beginning", part("1-5"), "another range"],
  ["of another end", part("2-6"), "another range"],
  ["without a word of which", (response) => response.writeHead(206).end("2345"), "another range"],
  ["that ends too soon", part("2-5", "23"), "2 bytes where 4 should come"],
  ["that does not end", part("2-5", "234567"), "more than the 4 bytes"],
])("takes no part %s", async (_, send, why) => {
  answer = send;
  await expect(fetchPart()).rejects.toThrow(why);
});

it.each(["Range", "range"])("asks for no part of what is one by its %s", async (name) => {
  const of = source({ headers: { [name]: "bytes=0-4" } });
  await expect(fetchPart({}, of)).rejects.toThrow("the file itself is a range");
  expect(asked).toEqual([]);
});

it("trusts whom the caller trusts, and waits as long as it says", async () => {
  const tls = { insecure: true };
  const read = vi.spyOn(http.reader, "read");
  await fetchPart({}, source({ tls }));
  expect(read.mock.calls[0]![1]).toMatchObject({ tls });
  const request = vi.spyOn(http, "request");
  answer = (response) => response.end(CONTENT);
  (await openSource(source({ tls }), { http })).body.resume();
  expect(request.mock.calls[0]![1]).toMatchObject({ tls });
  answer = (response) => response.writeHead(206, { "content-range": "bytes 2-5/10" }).write("2");
  await expect(fetchPart({ idleTimeoutMs: 50 })).rejects.toThrow();
});

it("opens the whole file, behind a redirect, with the caller's headers", async () => {
  for (const status of [200, 206]) {
    answer = (response) => response.writeHead(status).end(CONTENT);
    const response = await openSource(source({ url: url.replace("/file", "/away") }), { http });
    expect(Buffer.concat(await response.body.toArray()).toString()).toBe(CONTENT);
    expect(asked.at(-1)!.headers["x-token"]).toBe("a");
  }
});

it("says that the source refuses, not what is secret, and lets the connection go", async () => {
  let closed: Promise<void> | undefined;
  answer = (response) => {
    closed = new Promise((resolve) => response.once("close", resolve));
    response.writeHead(403).write("a body that does not end");
  };
  for (const ask of [() => fetchPart(), () => openSource(source(), { http })]) {
    const error = (await ask().then(
      () => undefined,
      (reason: Error) => reason,
    ))!;
    expect(error.message).toMatch(/^failed to download from source .*, response code:403$/);
    expect(error.message).not.toContain("planted");
    await closed;
  }
});

it("ends when the caller gives up", async () => {
  answer = () => {};
  for (const ask of [fetchPart, (more: More) => openSource(source(), { http, ...more })]) {
    const stop = new AbortController();
    const asking = ask({ signal: stop.signal });
    await vi.waitUntil(() => asked.length > 0);
    asked = [];
    stop.abort(new Error("enough"));
    await expect(asking).rejects.toThrow();
  }
});
