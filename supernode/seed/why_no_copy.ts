import { isDiskFull } from "../../runtime/files.ts";
import { whyNotWritable } from "../../runtime/make_sure_writable.ts";

/** What a disk says that takes nothing: read-only, not this user's, broken. */
const NOT_WRITABLE = new Set(["EACCES", "EIO", "EPERM", "EROFS"]);

/** Why the supernode could make no copy of a file, in words that say on whose side that is. */
export function whyNoCopy(error: Error): string {
  if (isDiskFull(error))
    return `no room for a copy on the supernode's disk, below base.homeDir: ${error.message}`;
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  // What the network refuses is refused by the same codes, and names no file.
  const isOfDisk = path !== undefined || syscall === "write";
  return isOfDisk && NOT_WRITABLE.has(code ?? "")
    ? `no copy can be written on the supernode's disk, below base.homeDir: ${whyNotWritable(error)}`
    : error.message;
}
