import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Catalog } from "./catalog.ts";
import { type FileIndex, indexPath, readIndex, writeIndex } from "./index_file.ts";
import { TaskFile } from "./task_file.ts";

/** Five bytes, and all of them here. */
const WHOLE = {
  length: 5,
  pieceSize: 5,
  framed: false,
  pieces: [0],
  verified: true,
  touchedMs: 0,
};

test("what killed processes left is deleted, and nothing that is whole, in use or young", async () => {
  const directory = await mkdtemp(join(tmpdir(), "dragonfly-catalog-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const old = new Date("2024-01-01");
  const put = async (name: string, time?: Date) => {
    await writeFile(join(directory, name), "bytes");
    if (time) await utimes(join(directory, name), time, time);
  };
  await put("whole.service", old);
  await writeIndex(join(directory, "whole.service.json"), indexOf("whole"));
  await put("unfinished.service", old);
  await put("fetched-now.service");
  await put("another-process.service", old);
  await put("lonely.service.json", old);
  await put("whole.service.json.4711.tmp", old);
  await put("fetched-now.service.json.4712.tmp");
  await put("damaged.service", old);
  await put("damaged.service.json", old);
  await put("not-ours.txt", old);

  const catalog = new Catalog(directory);
  onTestFinished(() => catalog.close());
  await catalog.load();
  catalog.add({
    name: "another-process",
    path: join(directory, "another-process.service"),
    key: "",
    taskId: "",
    cid: "",
    supernode: "",
    users: 0,
    touchedMs: 0,
  });
  await catalog.removeWaste(Date.now() - 60_000);
  expect((await readdir(directory)).sort()).toEqual([
    "another-process.service",
    "fetched-now.service",
    "fetched-now.service.json.4712.tmp",
    "not-ours.txt",
    "whole.service",
    "whole.service.json",
  ]);
});

test("a file of another process is opened once, however many ask at once, and again after that has failed", async () => {
  const directory = await mkdtemp(join(tmpdir(), "dragonfly-catalog-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const catalog = new Catalog(directory);
  const path = join(directory, "foreign.service");
  const entry = { ...indexOf("foreign"), path, users: 0 };
  catalog.add(entry);
  await expect(catalog.openForeign(entry)).rejects.toMatchObject({ code: "ENOENT" });
  await writeFile(path, "bytes");
  const [one, other] = await Promise.all([catalog.openForeign(entry), catalog.openForeign(entry)]);
  expect(one).toBe(other);
  await catalog.close();
  expect(one.fd).toBe(-1);
});

test("an index that could not be written when its download ended is written later", async () => {
  const directory = await mkdtemp(join(tmpdir(), "dragonfly-catalog-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const catalog = new Catalog(directory);
  onTestFinished(() => catalog.close());
  const path = join(directory, "late.service");
  const file = await TaskFile.create(path, indexOf("late"));
  await file.writePiece(0, Buffer.from("bytes"));
  // A folder in its place: nothing can be put there.
  await mkdir(join(indexPath(path), "in the way"), { recursive: true });
  await expect(file.saveIndex()).rejects.toThrow();
  expect((await readdir(directory)).sort()).toEqual(["late.service", "late.service.json"]);
  const entry = { name: "late", path, key: "key", taskId: "task", cid: "cid", supernode: "" };
  const held = { ...entry, file, users: 1, touchedMs: 0 };
  catalog.add(held);

  await rm(indexPath(path), { recursive: true });
  await catalog.saveIndexes();
  expect(await readdir(directory), "somebody is still at it").toEqual(["late.service"]);

  held.users = 0;
  await catalog.saveIndexes();
  expect(await readIndex(indexPath(path))).toMatchObject({ name: "late", pieces: [0] });
  expect(file.unsaved).toBe(false);
});

test("an index that another process is about to write is left alone", async () => {
  const directory = await mkdtemp(join(tmpdir(), "dragonfly-catalog-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, "new.service");
  await writeFile(path, "bytes");
  // A link to nothing: it is not there when it is read, and would be when it is deleted.
  await symlink(join(directory, "nothing"), indexPath(path));
  const catalog = new Catalog(directory);
  await catalog.load();
  expect((await readdir(directory)).sort()).toEqual(["new.service", "new.service.json"]);
});

function indexOf(name: string): FileIndex {
  const known = { version: 1, key: "key", taskId: "task", cid: "cid", supernode: "" } as const;
  return { ...known, ...WHOLE, name };
}
