import { randomBytes } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import type { BodyReader } from "../../runtime/plain_http/connection.ts";
import { readThenGoOn } from "./read_then_go_on.ts";

const LENGTH = 1_000_000;
const content = randomBytes(LENGTH);

/**
 * Reads all but the first 1000 bytes from a sender that does as told, the rest elsewhere.
 *
 * @param onChunk told of each that comes
 */
async function read(
  sender: (response: ServerResponse) => void,
  signal: AbortSignal,
  onChunk = () => {},
) {
  const http = new HttpClient();
  const server = createServer((request, response) => {
    const rest = /^\/rest\/(\d+)$/.exec(request.url!);
    if (rest) response.end(content.subarray(Number(rest[1])));
    else sender(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    http.close();
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const chunks: Buffer[] = [];
  const rests: number[] = [];
  const ask = (path: string, reader: BodyReader) =>
    http.reader.read(url + path, { signal }, { ...reader, onHead: () => {} });
  const reader: BodyReader = {
    onBody: (chunk) => {
      chunks.push(Buffer.from(chunk));
      onChunk();
      return undefined;
    },
  };
  const done = readThenGoOn({ start: 1000, end: LENGTH - 1 }, reader, {
    signal,
    open: (reader) => ask("/", reader),
    goOn: ({ start }, reader) => {
      rests.push(start);
      return ask(`/rest/${start}`, reader);
    },
  });
  return { done, chunks, rests };
}

const never = new AbortController().signal;

it.each<[string, (response: ServerResponse) => void, number[]]>([
  ["is read to its end", (response) => response.end(content.subarray(1000)), []],
  [
    "goes on elsewhere, from the byte reached, where its sender is gone",
    (response) => {
      response.writeHead(200, { "content-length": LENGTH - 1000 });
      response.write(content.subarray(1000, 300_000), () =>
        setTimeout(() => response.destroy(), 50),
      );
    },
    [300_000],
  ],
  [
    "comes from elsewhere where its sender does not answer",
    (response) => response.destroy(),
    [1000],
  ],
])("a stretch %s", async (_what, sender, expected) => {
  const { done, chunks, rests } = await read(sender, never);
  await done;
  expect(Buffer.concat(chunks).equals(content.subarray(1000))).toBe(true);
  expect(rests).toEqual(expected);
});

it("goes on nowhere when it was ended", async () => {
  const abort = new AbortController();
  const { done, rests } = await read(
    (response) => {
      response.writeHead(200, { "content-length": LENGTH - 1000 });
      response.write(content.subarray(1000, 2000));
    },
    abort.signal,
    () => abort.abort(new Error("taken back")),
  );
  await expect(done).rejects.toThrow("taken back");
  expect(rests).toEqual([]);
});
