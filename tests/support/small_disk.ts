/** What starts a program with a disk of its own at `path`, of so many MB: what goes before its command. */
export const withSmallDisk = (path: string, megabytes: number) => [
  ...["unshare", "--mount", "bash", "-c"],
  `mount -t tmpfs -o size=${megabytes}m tmpfs "${path}" && exec "$@"`,
  "bash",
];

/** A file on the disk of a program that {@link withSmallDisk} has started, as others reach it. */
export const onDiskOf = (pid: number, path: string) => `/proc/${pid}/root${path}`;
