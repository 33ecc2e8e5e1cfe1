import type { FileHandle } from "node:fs/promises";
import { readFully } from "../../runtime/files.ts";

/**
 * Reads bytes of a copy of ours into all of `target`.
 *
 * @throws {Error} where the copy ends before
 */
export async function readCopy(
  file: FileHandle,
  target: Uint8Array,
  position: number,
): Promise<void> {
  if ((await readFully(file, target, position)) < target.byteLength)
    throw new Error("the file became shorter while it was read");
}
