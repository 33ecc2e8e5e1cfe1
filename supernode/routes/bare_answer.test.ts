import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { seedFilePath } from "../../protocol/names.ts";
import { HeldBytes } from "../../runtime/held_bytes.ts";
import { serve } from "../../runtime/serve.ts";
import { SILENT } from "../observer.ts";
import { SeedCache } from "../seed/cache.ts";
import { PieceCutter } from "../seed/cut_pieces.ts";
import { PathPass } from "../seed/path_pass.ts";
import { ReadAhead } from "../seed/read_ahead.ts";
import { filePortRoutes } from "./file_port.ts";

const ID = "ab".repeat(32);
const PIECE = 4_194_304;
const LENGTH = 2 * (PIECE - 5) + 1000;
const bytes = Uint8Array.from({ length: LENGTH }, (_, index) => (index >>> 8) ^ index);

let home: string;
let served = 0;
let readAhead: ReadAhead | undefined;
let held: HeldBytes | undefined;
let close: () => Promise<void>;
let ask: (headers: Record<string, string>, method?: string) => Promise<Response>;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "send-bare-"));
  const cache = new SeedCache(home);
  const layout = { pieceSize: PIECE, framed: true, length: LENGTH };
  const cutter = new PieceCutter(layout, { md5: false, sha256: false });
  const head = { framed: true, pieceSize: PIECE, length: LENGTH, etag: "", lastModified: "" };
  const writer = await cache.write(ID, head);
  for (const piece of cutter.push(bytes)) await writer.piece(piece);
  await writer.piece(cutter.end()!);
  await writer.close();
  served = 0;
  const passes = new PathPass(() => performance.now());
  const observer = { ...SILENT, bytesServed: (count: number) => void (served += count) };
  readAhead = held = undefined;
  const server = await serve({
    fetch: (request, env) =>
      filePortRoutes({ cache, passes, observer, readAhead, ...(held ? { held } : {}) }).fetch(
        request,
        env,
      ),
    hostname: "127.0.0.1",
    port: 0,
  });
  close = () => server.close();
  ask = async (headers, method = "GET") =>
    fetch(`http://127.0.0.1:${server.port}${seedFilePath(ID, passes.issue(ID))}`, {
      method,
      headers,
    });
});
afterEach(async () => {
  await close();
  await rm(home, { recursive: true });
});

it("gives our nodes bytes of the file, across the frames of its pieces", async () => {
  for (const [start, end] of [
    [0, 99],
    [PIECE - 100, PIECE + 2_000_000],
    [LENGTH - 1001, LENGTH - 1],
  ] as const) {
    served = 0;
    const answer = await ask({ range: `bytes=${start}-${end}`, cdnSource: "source" });
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-length")).toBe(String(end - start + 1));
    const body = new Uint8Array(await answer.arrayBuffer());
    expect(Buffer.from(body).equals(bytes.subarray(start, end + 1))).toBe(true);
    expect(served).toBe(end - start + 1);
  }
});

it("gives what is still to come of a copy that is held back as it comes, and says what has left", async () => {
  const ahead = new ReadAhead();
  readAhead = ahead;
  ahead.copies.grown(ID, 1000);
  const copy = ahead.copies.follow(ID)!;
  const left = vi.spyOn(copy, "handedOut");
  vi.spyOn(ahead.copies, "follow").mockReturnValue(copy);
  const answer = await ask({ range: `bytes=0-${PIECE}`, cdnSource: "source" });
  expect(answer.status).toBe(206);
  const reader = answer.body!.getReader();
  const first = await reader.read();
  expect(first.value?.byteLength).toBe(1000);
  const next = reader.read();
  await vi.waitFor(() => expect(left).toHaveBeenLastCalledWith({ start: 0, end: 1000 }));
  ahead.copies.grown(ID, 1100);
  expect((await next).value?.byteLength).toBe(100);
  ahead.copies.ended(ID);
  const rest: Uint8Array[] = [];
  for (let part = await reader.read(); part.value; part = await reader.read())
    rest.push(part.value);
  expect(Buffer.concat(rest).equals(bytes.subarray(1100, PIECE + 1))).toBe(true);
  const sum = left.mock.calls.reduce((total, [{ start, end }]) => total + end - start, 0);
  expect(sum).toBe(PIECE + 1);
});

it("breaks off, for another to take it up, where the copy fails", async () => {
  readAhead = new ReadAhead();
  readAhead.copies.grown(ID, 1000);
  const answer = await ask({ range: `bytes=0-${PIECE}`, cdnSource: "source" });
  const body = answer.arrayBuffer();
  readAhead.copies.ended(ID, new Error("the disk is full"));
  await expect(body).rejects.toThrow("terminated");
});

it("gives no more than has come", async () => {
  const answer = await ask({ range: `bytes=${LENGTH}-${LENGTH + 9}`, cdnSource: "source" });
  expect(answer.status).toBe(416);
  expect((await ask({ cdnSource: "source" })).status).toBe(416);
});

it("gives v1 clients the pieces in their frames, as ever", async () => {
  const answer = await ask({ range: `bytes=0-${PIECE - 1}` });
  const body = new Uint8Array(await answer.arrayBuffer());
  expect(body.byteLength).toBe(PIECE);
  expect(body[PIECE - 1]).toBe(0x7f);
});

it("says how long it is to one who asks for the head only, and sends nothing", async () => {
  const file = await ask({}, "HEAD");
  expect(file.status).toBe(200);
  expect(file.headers.get("content-length")).toBe(String(LENGTH + 3 * 5));
  expect(file.headers.get("accept-ranges")).toBe("bytes");
  const part = await ask({ range: "bytes=10-19", cdnSource: "source" }, "HEAD");
  expect(part.status).toBe(206);
  expect(part.headers.get("content-range")).toBe(`bytes 10-19/${LENGTH}`);
  expect(served).toBe(0);
});

it("gives no bytes of a copy that is being dropped, of which nobody knows whether it is framed", async () => {
  await rm(join(home, `${seedFilePath(ID)}.index`));
  const answer = await ask({ range: "bytes=0-99", cdnSource: "source" });
  expect(answer.status).toBe(404);
  expect(served).toBe(0);
});

it("gives the same to one for whom nothing is held, for others hold it all", async () => {
  const ranges = { bare: [0, LENGTH - 1], framed: [PIECE, 2 * PIECE - 1] } as const;
  for (const [kind, [start, end]] of Object.entries(ranges)) {
    const headers: Record<string, string> = { range: `bytes=${start}-${end}` };
    if (kind === "bare") headers.cdnSource = "source";
    held = undefined;
    const usual = Buffer.from(await (await ask(headers)).arrayBuffer());
    held = new HeldBytes(0);
    const crowded = Buffer.from(await (await ask(headers)).arrayBuffer());
    expect(usual).toHaveLength(end - start + 1);
    expect(crowded.equals(usual)).toBe(true);
  }
});
