import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";

/** All files below a directory. */
export async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Bytes on disk below a directory: blocks, as a file written at offsets may have holes. */
export async function bytesOnDisk(directory: string): Promise<number> {
  let total = 0;
  for (const path of await filesBelow(directory)) {
    const found = await stat(path).catch(() => undefined);
    total += (found?.blocks ?? 0) * 512;
  }
  return total;
}

/** The files below `directories` in which `secret` occurs. */
export async function filesThatHold(
  directories: readonly string[],
  secrets: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const path of (await Promise.all(directories.map(filesBelow))).flat()) {
    const content = await readFile(path).catch(() => Buffer.alloc(0));
    if (secrets.some((secret) => content.includes(secret))) found.push(path);
  }
  return found;
}

/** The files below a directory that a process holds open, deleted ones too. */
export async function openFiles(pid: number, directory: string): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(
    descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "")),
  );
  return targets.filter((target) => target.startsWith(`${directory}/`));
}
