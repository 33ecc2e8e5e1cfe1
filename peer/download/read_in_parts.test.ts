import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { BadLengthError } from "./fixed_body.ts";
import { readInParts } from "./read_in_parts.ts";

const CONTENT = randomBytes(250_000);
const LENGTHS = [100_000, 100_000, 50_000];

/** The body of a real answer that says so many bytes will come, and sends these; the last ones when told so. */
async function bodyOf(
  content: Buffer,
  length = content.byteLength,
  lastBytes: Promise<unknown> = Promise.resolve(),
): Promise<IncomingMessage> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-length": length });
    response.write(content.subarray(0, -1000), async () => {
      await lastBytes;
      response.write(content.subarray(-1000), () => {
        if (length > content.byteLength) response.destroy();
        else response.end();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, agent: false }, resolve).on("error", reject).end();
  });
}

/** A limit that has everybody wait a little each time. */
const HOLDING: RateLimit = {
  rate: 1,
  pass: () => new Promise((resolve) => setTimeout(resolve, 20)),
};

/** Reads a body, and puts its parts together. */
async function read(body: IncomingMessage, limits: RateLimit[], onPart = (_index: number) => {}) {
  const parts: Buffer[] = [];
  await readInParts(body, LENGTHS, limits, async (index, content) => {
    parts[index] = Buffer.from(content);
    onPart(index);
  });
  return Buffer.concat(parts);
}

it.each([
  ["without limits", []],
  ["under limits", [HOLDING]],
])("hands on each part, %s", async (_name, limits) => {
  expect((await read(await bodyOf(CONTENT), limits)).equals(CONTENT)).toBe(true);
});

it("is done when all parts are, though the body was let go of before its end", async () => {
  let goOn = () => {};
  // They find a reader that waits for them, not bytes that lie before them.
  const read200kB = new Promise<void>((resolve) => {
    goOn = () => setTimeout(resolve, 100);
  });
  const body = await bodyOf(CONTENT, CONTENT.byteLength, read200kB);
  const content = await read(body, [HOLDING], (index) => {
    if (index === 1) goOn();
    if (index < LENGTHS.length - 1) return;
    expect(body.readableEnded).toBe(false);
    body.destroy();
  });
  expect(content.equals(CONTENT)).toBe(true);
});

it.each([
  ["is too short", CONTENT.subarray(0, 150_000), 150_000],
  ["is too long", Buffer.concat([CONTENT, CONTENT]), 2 * CONTENT.byteLength],
])("says that a body %s", async (_name, content, length) => {
  const reading = read(await bodyOf(content, length), []);
  await expect(reading).rejects.toThrow(BadLengthError);
});

it("says that a body breaks off", async () => {
  const body = await bodyOf(CONTENT.subarray(0, 150_000), CONTENT.byteLength);
  await expect(read(body, [])).rejects.toThrow(/aborted|broken off/);
});

it("says that a body was let go of before all parts were there", async () => {
  const body = await bodyOf(CONTENT);
  const reading = read(body, [HOLDING], () => void body.destroy());
  await expect(reading).rejects.toThrow(BadLengthError);
});
