import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { sumOf } from "../../protocol/v1/piece_sum.ts";
import { SourceAccess, type Task, taskLayout } from "../tasks/task.ts";
import { SeedCache } from "./cache.ts";
import { PieceCutter } from "./cut_pieces.ts";
import { SpoiltPieceError, V1Sums } from "./v1_sums.ts";

const CONTENT = randomBytes(250);
const PIECE = 105;

let root: string;
let cache: SeedCache;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "v1-sums-"));
  cache = new SeedCache(root);
});
afterEach(() => rm(root, { recursive: true }));

/** A copy of {@link CONTENT} in three framed pieces, of which so many are on disk. */
async function copyOf(pieces: number): Promise<Task> {
  const task: Task = {
    ...{ id: "a".repeat(64), rawUrl: "http://127.0.0.1/f", taskUrl: "http://127.0.0.1/f" },
    ...{ isVouchedFor: true, isPublic: true, md5: "", identifier: "", cdnSource: "supernode" },
    ...{ pieceSize: PIECE, access: new SourceAccess({}), length: CONTENT.byteLength },
    ...{ validators: { etag: '"1"', lastModified: "" }, cdnStatus: "RUNNING" },
    ...{ pieceSums: [], realMd5: "", createdMs: 0, lastAccessMs: 0 },
  };
  await grow(task, pieces);
  return task;
}

async function grow(task: Task, pieces: number): Promise<void> {
  const cutter = new PieceCutter(taskLayout(task), { md5: false, sha256: false });
  const cut = [...cutter.push(CONTENT), cutter.end()].filter((piece) => piece !== undefined);
  const head = { ...task.validators, framed: true, pieceSize: PIECE, length: task.length };
  const writer = await cache.write(task.id, head, task.pieceSums);
  for (const piece of cut.slice(task.pieceSums.length, pieces)) {
    await writer.piece(piece);
    task.pieceSums[piece.number] = piece.sum;
  }
  await writer.close();
  if (pieces === cut.length) task.cdnStatus = "SUCCESS";
}

async function spoil(task: Task, at: number): Promise<void> {
  const bytes = await readFile(cache.path(task.id));
  bytes[at]! ^= 1;
  await writeFile(cache.path(task.id), bytes);
}

it("hashes a piece as it goes over the wire", async () => {
  const task = await copyOf(3);
  const sums = new V1Sums(cache);
  const wire = await readFile(cache.path(task.id));
  expect(await sums.piece(task, 0)).toBe(sumOf(wire.subarray(0, PIECE), "md5"));
  expect(await sums.piece(task, 2)).toBe(sumOf(wire.subarray(2 * PIECE), "md5"));
});

it("hashes the file without its frames, as far as the copy has come, and says so at its end", async () => {
  const task = await copyOf(1);
  const sums = new V1Sums(cache);
  await sums.follow(task);
  expect(task.realMd5).toBe("");
  await grow(task, 3);
  await Promise.all([sums.follow(task), sums.follow(task)]);
  expect(task.realMd5).toBe(createHash("md5").update(CONTENT).digest("hex"));
});

it("reads a piece that was hashed no more", async () => {
  const task = await copyOf(3);
  const sums = new V1Sums(cache);
  const before = await sums.piece(task, 1);
  await sums.follow(task);
  await rm(cache.path(task.id));
  expect(await sums.piece(task, 1)).toBe(before);
  expect(await sums.piece(task, 0)).toMatch(/:105$/);
});

it("gives bytes that are not what was written no md5, and finds them when they are mended", async () => {
  const task = await copyOf(3);
  const sums = new V1Sums(cache);
  await spoil(task, PIECE + 9);
  await expect(sums.piece(task, 1)).rejects.toThrow(SpoiltPieceError);
  await expect(sums.follow(task)).rejects.toMatchObject({ piece: 1 });
  await spoil(task, PIECE + 9);
  expect(await sums.piece(task, 1)).toMatch(/:105$/);
  await sums.follow(task);
  expect(task.realMd5).not.toBe("");
});

it("says which piece it was that could not be read", async () => {
  const task = await copyOf(3);
  await rm(cache.path(task.id));
  const sums = new V1Sums(cache);
  await expect(sums.piece(task, 2)).rejects.toMatchObject({ name: "SpoiltPieceError", piece: 2 });
});

it("knows nothing of a copy that was made anew", async () => {
  const task = await copyOf(3);
  const sums = new V1Sums(cache);
  await sums.piece(task, 1);
  task.pieceSums = [...task.pieceSums];
  await rm(cache.path(task.id));
  await expect(sums.piece(task, 1)).rejects.toThrow(SpoiltPieceError);
});

it("hands on the md5s of a copy that was made by them", async () => {
  const task = await copyOf(3);
  const wire = await readFile(cache.path(task.id));
  task.pieceSums[1] = sumOf(wire.subarray(PIECE, 2 * PIECE), "md5");
  await rm(cache.path(task.id));
  expect(await new V1Sums(cache).piece(task, 1)).toBe(task.pieceSums[1]);
});
