import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CachedReads } from "./cached_reads.ts";

async function fileOf(text: string) {
  const directory = await mkdtemp(join(tmpdir(), "dragonfly-cached-reads-"));
  await writeFile(join(directory, "file"), text);
  const file = await open(join(directory, "file"));
  onTestFinished(async () => {
    await file.close();
    await rm(directory, { recursive: true });
  });
  return file;
}

test("reads at a position, and tells where the file ends", async () => {
  const file = await fileOf("0123456789");
  const reads = new CachedReads();
  const target = Buffer.alloc(4);
  expect(reads.read(file, target, 3)).toBe(4);
  expect(target.toString()).toBe("3456");
  expect(reads.read(file, target, 8)).toBe(2);
  expect(reads.read(file, target, 20)).toBe(0);
});

test("after a read that took long there is none for a second", async () => {
  const file = await fileOf("0123456789");
  // When it begins, when it has ended, and so on.
  const clock = [0, 11, 500, 1010, 1011, 1012, 1012, 1013];
  const reads = new CachedReads(() => clock.shift()!);
  const target = Buffer.alloc(1);
  const read = () => reads.read(file, target, 0);
  expect([read(), read(), read(), read(), read()]).toEqual([1, undefined, undefined, 1, 1]);
  expect(clock).toEqual([]);
});
