import { copyFile, link, mkdir, open, rename, rm, statfs } from "node:fs/promises";
import { dirname } from "node:path";

/** Replaces a file's content in one step: a reader, or a crash, sees the old or the new text. */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, "w");
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** Bytes free to us on the file system that holds `path`. */
export async function freeBytes(path: string): Promise<number> {
  const stats = await statfs(path);
  return stats.bavail * stats.bsize;
}

/** Gives `source` a second name, or a copy where the two names lie on different file systems. */
export async function linkOrCopy(source: string, destination: string): Promise<void> {
  await rm(destination, { force: true });
  try {
    await link(source, destination);
  } catch {
    // Another file system, or one without hard links.
    await copyFile(source, destination);
  }
}

/** Whether an error says that the disk (or the quota) is full. */
export function isDiskFull(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG";
}

/** Whether an error comes from writing a file, which another source of its bytes would not help. */
export function isWriteFailure(error: unknown): boolean {
  return isDiskFull(error) || (error as NodeJS.ErrnoException | undefined)?.syscall === "write";
}
