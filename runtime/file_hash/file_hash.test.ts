import { createHash } from "node:crypto";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FileHash } from "./file_hash.ts";

const digest = (algorithm: string, content: string) =>
  createHash(algorithm).update(content).digest("hex");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dragonfly-hash-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

it("hashes a file as it grows, as far as it is told", async () => {
  const path = await file("grows", "first");
  const hash = new FileHash(path, ["sha256", "md5"]);
  hash.reached(5);
  await sleep(50);
  await appendFile(path, "second, and more");
  hash.reached(11);
  const content = "firstsecond";
  expect(await hash.digests()).toEqual([digest("sha256", content), digest("md5", content)]);
});

it("hashes several files at once, each larger than a stretch", async () => {
  const contents = ["a", "b", "c"].map((letter) => letter.repeat(3_000_001));
  const all = contents.map(async (content, index) => {
    const hash = new FileHash(await file(`large${index}`, content), ["sha256"]);
    hash.reached(content.length);
    return hash.digests();
  });
  expect(await Promise.all(all)).toEqual(contents.map((content) => [digest("sha256", content)]));
});

it("hashes nothing, too, and goes on after it has been idle", async () => {
  const hash = new FileHash(await file("empty", ""), ["sha256"]);
  expect(await hash.digests()).toEqual([digest("sha256", "")]);
  // Its thread has ended by then.
  await sleep(1500);
  const later = new FileHash(await file("later", "later"), ["sha256"]);
  later.reached(5);
  expect(await later.digests()).toEqual([digest("sha256", "later")]);
});

it("says why there is no digest: no such file, one that ends before, one that is closed", async () => {
  const none = new FileHash(join(folder, "none"), ["sha256"]);
  await expect(none.digests()).rejects.toThrow(/ENOENT|no such file/i);
  const short = new FileHash(await file("short", "short"), ["sha256"]);
  short.reached(6);
  await expect(short.digests()).rejects.toThrow("it ends at byte 5");
  await expect(short.digests()).rejects.toThrow("hashed no more");
  const closed = new FileHash(await file("closed", "closed"), ["sha256"]);
  const digests = closed.digests();
  closed.close();
  closed.reached(6);
  await expect(digests).rejects.toThrow("closed");
});
