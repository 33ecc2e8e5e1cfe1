import { expect, it } from "vitest";
import { readChunks } from "./peer_stream.ts";

const RANGE = { start: 0, end: 2 };
const STALL_MS = 40;

/** A file whose one chunk comes when it is let go. */
function waitingFile(quietMs: () => number) {
  let come!: () => void;
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      come = () => {
        controller.enqueue(Buffer.from("abc"));
        controller.close();
      };
    },
  });
  return { file: { stream: () => stream, quietMs }, come };
}

async function read(file: Parameters<typeof readChunks>[0], signal = new AbortController().signal) {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readChunks(file, RANGE, signal, STALL_MS)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

it("waits for a chunk for as long as there are signs that it will come", async () => {
  let asked = 0;
  const waiting = waitingFile(() => {
    asked += 1;
    if (asked === 3) waiting.come();
    return 0;
  });
  expect(await read(waiting.file)).toBe("abc");
  expect(asked).toBe(3);
});

it("gives a file up of which there has been no sign for the whole time", async () => {
  const { file } = waitingFile(() => STALL_MS);
  await expect(read(file)).rejects.toThrow("no byte for 0.04 s");
});

it("ends without a word when the client is gone", async () => {
  const gone = new AbortController();
  const reading = read(waitingFile(() => 0).file, gone.signal);
  gone.abort();
  expect(await reading).toBe("");
});
