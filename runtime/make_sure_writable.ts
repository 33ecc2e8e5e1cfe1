import { mkdtemp, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { thisUser } from "./this_user.ts";

/** What says that there is no room just now; whoever writes there finds that out, and says so better. */
const FULL = new Set(["ENOSPC", "EDQUOT"]);

/** Why nothing can be written at a place, in a person's words. */
export function whyNotWritable(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "EACCES":
    case "EPERM":
      return `not permitted to write there, as ${thisUser()}`;
    case "EROFS":
      return "the disk is read-only";
    case "ENOTDIR":
    case "EEXIST":
      return "not a directory";
    default:
      return error.message;
  }
}

/**
 * Makes sure that this process may make files in a directory, by making something there for a moment. Deno's
 * `access` compares the mode with the process's own user and group only: it refuses root, and who is let in by
 * another group.
 *
 * @throws the system's error where it may not
 */
export async function makeSureWritable(directory: string): Promise<void> {
  try {
    await rmdir(await mkdtemp(join(directory, ".writable-")));
  } catch (error) {
    if (!FULL.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
