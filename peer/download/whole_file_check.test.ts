import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { TaskFile } from "../store/task_file.ts";
import { WholeFileCheck } from "./whole_file_check.ts";

const bytes = Buffer.from("0123456789abcdefghijKLMNO");
const hash = (algorithm: string) => createHash(algorithm).update(bytes).digest("hex");

/** A file whose pieces have all come. */
async function wholeFile(): Promise<TaskFile> {
  const folder = await mkdtemp(join(tmpdir(), "dragonfly-check-"));
  const file = await TaskFile.create(join(folder, "file"), {
    ...{ version: 1, key: "k", taskId: "t", cid: "c", supernode: "", name: "file" },
    ...{ length: bytes.length, pieceSize: 10, framed: false, pieces: [] },
    ...{ verified: false, touchedMs: 0 },
  });
  onTestFinished(async () => {
    await file.close();
    await rm(folder, { recursive: true });
  });
  for (const piece of [2, 0, 1])
    await file.writePiece(piece, bytes.subarray(piece * 10, piece * 10 + 10));
  return file;
}

/** On the event loop, and beside it. */
const WAYS = [{}, { besideFrom: 1 }];
const RIGHT = { digest: { algorithm: "sha256", hex: hash("sha256") } } as const;

it.each(WAYS)(
  "knows the hash of what is here from the start on, and of no more %j",
  async (way) => {
    const file = await wholeFile();
    const check = new WholeFileCheck({ ...RIGHT, ...way });
    file.dropPiece(1);
    const start = await check.start(file);
    expect(start?.bytes).toBe(10);
    expect(start?.hash.update(bytes.subarray(10)).digest("hex")).toBe(hash("sha256"));
    // Whoever goes on with it does not change what the check itself has hashed.
    await file.writePiece(1, bytes.subarray(10, 20));
    expect((await check.start(file))?.bytes).toBe(bytes.length);
    expect(await check.mismatch(file)).toBeUndefined();
    expect(await new WholeFileCheck({ md5: hash("md5") }).start(file)).toBeUndefined();
  },
);

it.each(WAYS)("hashes a piece anew that was taken back and came once more %j", async (way) => {
  const file = await wholeFile();
  const check = new WholeFileCheck({ ...RIGHT, ...way });
  await file.writePiece(1, Buffer.from("wrong here"));
  for (const piece of [0, 1, 2]) check.offer(file, piece);
  expect(await check.mismatch(file)).toMatch(/^the bytes are sha256:/);
  check.lose(1);
  await file.writePiece(1, bytes.subarray(10, 20));
  check.offer(file, 1);
  expect(await check.mismatch(file)).toBeUndefined();
});

it.each([
  ["the right sha256", { digest: { algorithm: "sha256", hex: hash("sha256") } }, undefined],
  [
    "another sha256",
    { digest: { algorithm: "sha256", hex: "a".repeat(64) } },
    /^the bytes are sha256:/,
  ],
  ["the right md5", { md5: hash("md5").toUpperCase() }, undefined],
  ["another md5", { md5: "b".repeat(32) }, /^the bytes have md5/],
  ["nothing", {}, undefined],
] as const)("a file of which %s is known", async (_, expected, wrong) => {
  for (const way of WAYS) {
    const check = new WholeFileCheck({ ...expected, ...way });
    const file = await wholeFile();
    for (const piece of [1, 0, 2]) check.offer(file, piece);
    const mismatch = await check.mismatch(file);
    if (wrong) expect(mismatch).toMatch(wrong);
    else expect(mismatch).toBeUndefined();
    check.close();
  }
});

it("hashes a file on the event loop whose thread fails", async () => {
  const file = await wholeFile();
  const check = new WholeFileCheck({ ...RIGHT, besideFrom: 1 });
  check.offer(file, 0);
  // It opens the file by its name a moment later.
  await rm(file.path);
  expect(await check.mismatch(file)).toBeUndefined();
});
