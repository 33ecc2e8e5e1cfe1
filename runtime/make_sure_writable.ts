import { mkdtempSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** What says that there is no room just now; whoever writes there finds that out, and says so better. */
const FULL = new Set(["ENOSPC", "EDQUOT"]);

/**
 * Makes sure that this process may make files in a directory, by making something there for a moment. Deno's
 * `access` compares the mode with the process's own user and group only: it refuses root, and who is let in by
 * another group.
 *
 * @throws the system's error where it may not
 */
export function makeSureWritable(directory: string): void {
  try {
    rmdirSync(mkdtempSync(join(directory, ".writable-")));
  } catch (error) {
    if (!FULL.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
