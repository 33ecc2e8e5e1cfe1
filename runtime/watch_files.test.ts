import { mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { watchFiles } from "./watch_files.ts";

const LOOK_MS = 10;

async function watched(...names: string[]) {
  const dir = await mkdtemp(join(tmpdir(), "watch-"));
  const paths = names.map((name) => join(dir, name));
  for (const path of paths) await writeFile(path, "one");
  let changes = 0;
  let told: () => void = () => {};
  const watch = watchFiles(
    () => paths,
    async () => {
      changes += 1;
      told();
    },
    LOOK_MS,
  );
  onTestFinished(async () => {
    watch.close();
    await rm(dir, { recursive: true });
  });
  // Its first look is over.
  await sleep(5 * LOOK_MS);
  const next = () =>
    new Promise<void>((resolve) => {
      told = resolve;
    });
  return { dir, paths, next, changes: () => changes, watch };
}

it("tells of a file that is written, replaced, or no longer there", async () => {
  const { dir, paths, next, changes } = await watched("a", "b");
  expect(changes()).toBe(0);
  for (const change of [
    () => writeFile(paths[1]!, "other"),
    () => writeFile(join(dir, "new"), "other").then(() => rename(join(dir, "new"), paths[0]!)),
    () => rm(paths[0]!),
  ]) {
    const told = next();
    await change();
    await told;
  }
  expect(changes()).toBe(3);
});

it("sees behind a symbolic link that is moved", async () => {
  const { dir, paths, next } = await watched("link");
  const [link] = paths;
  await writeFile(join(dir, "second"), "one");
  const told = next();
  await symlink(join(dir, "second"), join(dir, "moved"));
  await rename(join(dir, "moved"), link!);
  await told;
});

it("tells of nothing once it is closed", async () => {
  const { paths, changes, watch } = await watched("a");
  watch.close();
  await writeFile(paths[0]!, "other");
  await sleep(10 * LOOK_MS);
  expect(changes()).toBe(0);
});
