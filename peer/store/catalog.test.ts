import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Catalog } from "./catalog.ts";
import { type FileIndex, writeIndex } from "./index_file.ts";

test("what killed processes left is deleted, and nothing that is whole, in use or young", async () => {
  const directory = await mkdtemp(join(tmpdir(), "dragonfly-catalog-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const old = new Date("2024-01-01");
  const put = async (name: string, time?: Date) => {
    await writeFile(join(directory, name), "bytes");
    if (time) await utimes(join(directory, name), time, time);
  };
  const index: FileIndex = {
    version: 1,
    key: "key",
    taskId: "task",
    cid: "cid",
    supernode: "",
    name: "whole",
    length: 5,
    pieceSize: 5,
    framed: false,
    pieces: [0],
    verified: true,
    touchedMs: old.getTime(),
  };
  await put("whole.service", old);
  await writeIndex(join(directory, "whole.service.json"), index);
  await put("unfinished.service", old);
  await put("fetched-now.service");
  await put("another-process.service", old);
  await put("lonely.service.json", old);
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
    "not-ours.txt",
    "whole.service",
    "whole.service.json",
  ]);
});
