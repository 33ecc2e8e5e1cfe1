import { isDiskFull } from "../../runtime/files.ts";

/** Why the supernode could make no copy of a file, in words that say on whose side that is. */
export function whyNoCopy(error: Error): string {
  return isDiskFull(error)
    ? `no room for a copy on the supernode's disk, below base.homeDir: ${error.message}`
    : error.message;
}
