import { runWell } from "./process.ts";
import type { Scratch } from "./scratch.ts";

/** What starts a program with a disk of its own at `path`, of so many MB: what goes before its command. */
export const withSmallDisk = (path: string, megabytes: number) => [
  ...["unshare", "--mount", "bash", "-c"],
  `mount -t tmpfs -o size=${megabytes}m tmpfs "${path}" && exec "$@"`,
  "bash",
];

/** What starts a program so that a disk of its own can be put at any place later, unseen by others. */
export const WITH_OWN_DISKS = ["unshare", "--mount"];

/**
 * Makes a folder read-only for a running program that {@link withSmallDisk} or {@link WITH_OWN_DISKS} has started, as
 * a kernel does with a disk after an error; what is open there stays open.
 *
 * @returns what mends it
 */
export async function makeReadOnly(
  scratch: Scratch,
  pid: number,
  path: string,
): Promise<() => Promise<void>> {
  const there = ["nsenter", "--target", String(pid), "--mount"];
  await runWell(scratch, [...there, "mount", "--bind", path, path]);
  await runWell(scratch, [...there, "mount", "-o", "remount,bind,ro", path]);
  return async () => {
    await runWell(scratch, [...there, "umount", path]);
  };
}

/** A file on the disk of a program that {@link withSmallDisk} has started, as others reach it. */
export const onDiskOf = (pid: number, path: string) => `/proc/${pid}/root${path}`;
