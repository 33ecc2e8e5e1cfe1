import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type CopyHead, SeedCache } from "./cache.ts";

const ID = "abc".padEnd(64, "0");
const SUM = `${"a".repeat(64)}:10`;
const HEAD: CopyHead = { framed: true, pieceSize: 10, length: 15, etag: '"1"', lastModified: "" };

let root: string;
let cache: SeedCache;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "cache-"));
  cache = new SeedCache(root);
});
afterEach(() => rm(root, { recursive: true }));

const piece = (number: number, text: string) => ({
  number,
  bytes: new TextEncoder().encode(text),
  sum: SUM,
});

it("keeps pieces at their offset, and what it knows of them beside them", async () => {
  const writer = await cache.write(ID, HEAD);
  await writer.piece(piece(0, "0123456789"));
  await writer.piece(piece(1, "abcde"));
  expect(await cache.read(ID)).toEqual({ ...HEAD, pieceSums: [SUM, SUM], complete: undefined });
  await writer.complete(15, "f".repeat(32), 15);
  await writer.close();
  expect(cache.path(ID)).toBe(join(root, "download", "abc", ID));
  expect(await readFile(cache.path(ID), "utf8")).toBe("0123456789abcde");
  expect((await cache.read(ID))?.complete).toEqual({ length: 15, realMd5: "f".repeat(32) });
});

it("goes on after the pieces that are kept, and cuts off what an older file had more", async () => {
  const first = await cache.write(ID, HEAD);
  for (const [number, text] of ["0123456789", "x".repeat(10), "y".repeat(10)].entries())
    await first.piece(piece(number, text));
  await first.close();
  const second = await cache.write(ID, HEAD, [SUM]);
  await second.piece(piece(1, "abcde"));
  await second.complete(15, "", 15);
  await second.close();
  expect(await readFile(cache.path(ID), "utf8")).toBe("0123456789abcde");
  expect((await cache.read(ID))?.pieceSums).toEqual([SUM, SUM]);
});

it("reads the index of a release that knew pieces by md5", async () => {
  const md5 = `${"b".repeat(32)}:10`;
  await (await cache.write(ID, HEAD)).close();
  await appendFile(`${cache.path(ID)}.index`, `${md5}\n`);
  expect((await cache.read(ID))?.pieceSums).toEqual([md5]);
});

it("loses no more than the last line to a crash", async () => {
  const writer = await cache.write(ID, HEAD);
  await writer.piece(piece(0, "0123456789"));
  await writer.close();
  await appendFile(`${cache.path(ID)}.index`, SUM.slice(0, 20));
  expect((await cache.read(ID))?.pieceSums).toEqual([SUM]);
});

it.each(["", "\n", "{}\n", "garbage\n", '{"framed":true}\n'])(
  "does without an index that reads %j",
  async (text) => {
    await (await cache.write(ID, HEAD)).close();
    await writeFile(`${cache.path(ID)}.index`, text);
    expect(await cache.read(ID)).toBeUndefined();
  },
);

it("knows nothing of a copy that is not there", async () => {
  expect(await cache.read(ID)).toBeUndefined();
  expect(await cache.list()).toEqual([]);
  await cache.drop(ID);
  await expect(cache.open(ID)).rejects.toThrow("ENOENT");
});

it("knows how large it is, and asks the disk only for what earlier runs have left", async () => {
  const write = async (into: SeedCache, id: string, ...texts: string[]) => {
    const writer = await into.write(id, HEAD);
    for (const [number, text] of texts.entries()) await writer.piece(piece(number, text));
    return writer;
  };
  await (await write(cache, ID, "0123456789", "abcde")).close();
  const later = new SeedCache(root);
  const other = ID.replace("abc", "def");
  await (await write(later, other, "0123456789")).close();
  expect(await later.totals()).toEqual({ files: 2, bytes: 25 });
  const writer = await write(later, other, "0123456789", "x".repeat(10));
  expect(await later.totals()).toEqual({ files: 2, bytes: 35 });
  await writer.complete(12, "", 12);
  await writer.close();
  expect(await later.totals()).toEqual({ files: 2, bytes: 27 });
  await rm(later.path(ID));
  expect(await later.totals()).toEqual({ files: 2, bytes: 27 });
  await later.drop(ID);
  expect(await later.totals()).toEqual({ files: 1, bytes: 12 });
});

it("does not count what was dropped before the first count", async () => {
  await (await cache.write(ID, HEAD)).close();
  const later = new SeedCache(root);
  await later.drop(ID);
  await later.drop(ID.replace("abc", "def"));
  expect(await later.totals()).toEqual({ files: 0, bytes: 0 });
});

it("is in use when it is touched", async () => {
  await (await cache.write(ID, HEAD)).close();
  const before = (await cache.list())[0]!.lastAccessMs;
  await new Promise((resolve) => setTimeout(resolve, 20));
  await cache.touch(ID);
  expect((await cache.list())[0]!.lastAccessMs).toBeGreaterThan(before);
});
