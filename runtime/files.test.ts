import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeDirectory } from "./files.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "dragonfly-files-"));
});
afterAll(() => rm(dir, { recursive: true }));

it("makes a directory, and those above it, of which some may be there", async () => {
  const path = join(dir, "a/b/c");
  await Promise.all([makeDirectory(path), makeDirectory(path)]);
  await makeDirectory(path);
  expect((await stat(path)).isDirectory()).toBe(true);
});

it("says what is in the way", async () => {
  await writeFile(join(dir, "file"), "");
  await expect(makeDirectory(join(dir, "file"))).rejects.toThrow("EEXIST");
  await expect(makeDirectory(join(dir, "file/below"))).rejects.toThrow("ENOTDIR");
});

it.runIf(process.platform === "linux")("ends where nobody can make directories", async () => {
  await expect(makeDirectory("/proc/dragonfly/home")).rejects.toThrow("ENOENT");
});
