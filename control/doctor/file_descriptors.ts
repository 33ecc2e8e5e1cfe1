import { readdir, readFile } from "node:fs/promises";
import type { Check } from "./check.ts";

/** Each neighbour, client and file takes some. */
const LEAST = { fail: 1024, warn: 4096 };
const NAME = "file descriptors";

/** How many files and connections dfdaemon may have open. */
export const fileDescriptors: Check = {
  name: NAME,
  patienceMs: 5000,
  async run({ configFile }) {
    const pid = await findDfdaemon(configFile);
    if (pid === undefined)
      return [{ name: NAME, state: "warn", says: "no dfdaemon is to be seen among the processes" }];
    const limit = openFilesLimit(await readFile(`/proc/${pid}/limits`, "utf8"));
    const says = `dfdaemon (process ${pid}) may open ${limit}`;
    const todo = "LimitNOFILE=262144 in the unit (systemctl edit dragonfly-dfdaemon)";
    if (limit < LEAST.fail) return [{ name: NAME, state: "fail", says, todo }];
    if (limit < LEAST.warn) return [{ name: NAME, state: "warn", says, todo }];
    return [{ name: NAME, state: "ok", says }];
  },
};

/** The soft limit in a process's `limits`. */
export function openFilesLimit(limits: string): number {
  const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft ?? Number.NaN);
}

/** The process of the dfdaemon that runs with this configuration, else of any. */
async function findDfdaemon(configFile: string): Promise<string | undefined> {
  let other: string | undefined;
  for (const pid of await readdir("/proc").catch(() => [])) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const words = command.split("\0");
    if (!words.some((word) => /(^|\/)(dfdaemon(\.js)?|proxy\/main\.ts)$/.test(word))) continue;
    if (words.some((word) => word === configFile || word === `--config=${configFile}`)) return pid;
    other ??= pid;
  }
  return other;
}
