import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { BodyCount } from "./body_count.ts";
import { BadLengthError } from "./fixed_body.ts";
import { readInParts } from "./read_in_parts.ts";

const CONTENT = randomBytes(250_000);
const LENGTHS = [100_000, 100_000, 50_000];

/** The URL of a real answer that says so many bytes will come, and sends these. */
async function sending(content: Buffer, length = content.byteLength): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-length": length });
    response.write(content, () => {
      if (length > content.byteLength) response.destroy();
      else response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** A limit that has everybody wait a little each time. */
const HOLDING: RateLimit = {
  rate: 1,
  pass: () => new Promise((resolve) => setTimeout(resolve, 20)),
};

/** Reads what a URL sends, and puts its parts together. */
async function read(
  url: string,
  limiters: RateLimit[],
  onPart: (index: number) => unknown = () => {},
  signal = new AbortController().signal,
) {
  const http = new HttpClient();
  onTestFinished(() => http.close());
  const parts: Buffer[] = [];
  await readInParts(
    (reader, signal) => http.reader.read(url, { signal }, { ...reader, onHead: () => {} }),
    {
      bodies: new BodyCount(),
      lengths: LENGTHS,
      limiters,
      signal,
      onPart: async (index, content) => {
        await onPart(index);
        parts[index] = Buffer.from(content);
      },
    },
  );
  return Buffer.concat(parts);
}

it.each([
  ["without limits", []],
  ["under limits", [HOLDING]],
])("hands on each part, %s", async (_name, limits) => {
  expect((await read(await sending(CONTENT), limits)).equals(CONTENT)).toBe(true);
});

it("hands on one part after the other, however long one takes", async () => {
  let kept = 0;
  const slowly = async (index: number) => {
    expect(index).toBe(kept);
    await new Promise((resolve) => setTimeout(resolve, 30));
    kept += 1;
  };
  expect((await read(await sending(CONTENT), [], slowly)).equals(CONTENT)).toBe(true);
});

it.each([
  ["is too short", CONTENT.subarray(0, 150_000), 150_000],
  ["is too long", Buffer.concat([CONTENT, CONTENT]), 2 * CONTENT.byteLength],
])("says that a body %s", async (_name, content, length) => {
  await expect(read(await sending(content, length), [])).rejects.toThrow(BadLengthError);
});

it("says that a body breaks off", async () => {
  const url = await sending(CONTENT.subarray(0, 150_000), CONTENT.byteLength);
  await expect(read(url, [])).rejects.toThrow(/ends within the answer|ECONNRESET/);
});

it("reads no further when a part cannot be kept", async () => {
  const handed: number[] = [];
  const full = (index: number) => {
    handed.push(index);
    throw new Error("the disk is full");
  };
  await expect(read(await sending(CONTENT), [HOLDING], full)).rejects.toThrow("the disk is full");
  expect(handed).toEqual([0]);
});

it("ends when it is told to", async () => {
  const stop = new AbortController();
  const reading = read(await sending(CONTENT), [HOLDING], () => stop.abort(), stop.signal);
  await expect(reading).rejects.toThrow("aborted");
});
