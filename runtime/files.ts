import {
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  rename,
  rm,
  stat,
  statfs,
} from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a directory, and those above it. Not by Node's own `recursive`: of a disk that is read-only that says "no such
 * file or directory", and in a file system whose directories are not made by hand (/proc) it never ends.
 *
 * @throws the system's error
 */
export async function makeDirectory(path: string): Promise<void> {
  if (!(await makeBelowParent(path))) return;
  await makeDirectory(dirname(path));
  const missing = await makeBelowParent(path);
  if (missing) throw missing;
}

/** @returns the error where the directory above it is not there */
async function makeBelowParent(path: string): Promise<Error | undefined> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return error as Error;
    // A read-only disk says that first, of a directory that is there, too.
    if (!(await isDirectory(path))) throw error;
  }
  return undefined;
}

/** Whether a directory is there; where that is not to be seen, it is not. */
export function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

/** Replaces a file's content in one step: a reader, or a crash, sees the old or the new text. */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
): Promise<void> {
  await makeDirectory(dirname(path));
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, "w");
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}

/**
 * Reads into all of `target`: one read may bring less than was asked for.
 *
 * @param position where in the file to begin
 * @returns bytes read: fewer than `target` takes where the file ends before
 */
export async function readFully(
  file: FileHandle,
  target: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < target.byteLength) {
    const { bytesRead } = await file.read(target, done, target.byteLength - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
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
