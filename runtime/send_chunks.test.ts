import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sendChunks } from "./send_chunks.ts";

const CHUNK = 1000;

/** A body of which each byte is the number of its chunk, and what became of its chunks. */
function body(bytes: number, failsAt = Number.POSITIVE_INFINITY) {
  const given: number[] = [];
  let read = 0;
  return {
    given,
    isRead: () => read,
    bytes,
    read: async (at: number) => {
      if (at >= failsAt) throw new Error("the disk is gone");
      read = at + Math.min(CHUNK, bytes - at);
      return new Uint8Array(read - at).fill(at / CHUNK);
    },
    give: (chunk: Uint8Array) => void given.push(chunk[0] ?? -1),
  };
}

let url: string;
let close: () => Promise<void>;
/** How the answer is made, and what came of it. */
let answer: (outgoing: ServerResponse) => Promise<void>;
let outcome: Promise<string>;

beforeEach(async () => {
  const server = createServer((_, outgoing) => {
    outcome = answer(outgoing).then(
      () => "done",
      (error: Error) => error.message,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
});
afterEach(() => close());

describe("sendChunks", () => {
  it.each([0, 1, CHUNK, 3 * CHUNK, 3 * CHUNK + 1])("sends a body of %i bytes", async (bytes) => {
    const sent = body(bytes);
    answer = (outgoing) => {
      outgoing.writeHead(200, { "content-length": bytes });
      return sendChunks(outgoing, sent);
    };
    const got = new Uint8Array(await (await fetch(url)).arrayBuffer());
    expect(await outcome).toBe("done");
    expect(got).toEqual(Uint8Array.from({ length: bytes }, (_, at) => Math.floor(at / CHUNK)));
    const chunks = Math.max(1, Math.ceil(bytes / CHUNK));
    expect(sent.given).toEqual(bytes ? Array.from({ length: chunks }, (_, chunk) => chunk) : [-1]);
  });

  it("says that reading has failed, for the answer to be broken off", async () => {
    answer = async (outgoing) => {
      outgoing.writeHead(200, { "content-length": 3 * CHUNK });
      await sendChunks(outgoing, body(3 * CHUNK, CHUNK)).finally(() => outgoing.destroy());
    };
    await expect(fetch(url).then((response) => response.arrayBuffer())).rejects.toThrow();
    expect(await outcome).toBe("the disk is gone");
  });

  it("reads no more for one that takes nothing, and stops when it hangs up", async () => {
    const endless = body(1e12);
    answer = (outgoing) => {
      outgoing.writeHead(200);
      return sendChunks(outgoing, endless);
    };
    const response = await new Promise<IncomingMessage>((resolve) => get(url, resolve));
    // Until the system's own buffers are full.
    let before = -1;
    while (before !== endless.isRead()) {
      before = endless.isRead();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(before).toBeLessThan(64e6);
    response.destroy();
    expect(await outcome).toBe("done");
    // What the system has not taken is nobody's to use again.
    expect(endless.given.length).toBe(endless.isRead() / CHUNK - 1);
  });
});
