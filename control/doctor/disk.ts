import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { isMissing } from "../../runtime/config_file.ts";
import { showBytes } from "../amounts.ts";
import type { Check, Finding } from "./check.ts";

const GB = 1e9;
/** A few layers must fit; with less than the other, a large image does not. */
const LEAST = { fail: 1 * GB, warn: 10 * GB };
const ELSEWHERE = "put the cache elsewhere (--home in dfget_flags)";

/** Whether layers have room on this node. */
export const disk: Check = {
  name: "disk",
  patienceMs: 5000,
  async run({ peer }) {
    const place = await nearest(peer.dataDir);
    const todo = `make room, or ${ELSEWHERE}`;
    if (!(await stat(place)).isDirectory())
      return [
        {
          name: "disk",
          state: "fail",
          says: `${place} is a file, not a directory`,
          todo: ELSEWHERE,
        },
      ];
    const { bavail, bsize, files, ffree } = await statfs(place);
    const free = bavail * bsize;
    const says = `${showBytes(free)} free for ${peer.dataDir}`;
    const findings: Finding[] = [
      free < LEAST.fail
        ? { name: "disk", state: "fail", says, todo }
        : free < LEAST.warn
          ? { name: "disk", state: "warn", says, todo }
          : { name: "disk", state: "ok", says },
    ];
    // Some file systems do not count their files.
    if (files > 0 && ffree < 1000)
      findings.push({
        name: "disk: files",
        state: "fail",
        says: `${ffree} more can be made for ${peer.dataDir}`,
        todo,
      });
    return findings;
  },
};

/** The directory itself, or the one in which it would be made. */
async function nearest(path: string): Promise<string> {
  try {
    await statfs(path);
    return path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if ((!isMissing(error) && code !== "ENOTDIR") || path === "/") throw error;
    return nearest(dirname(path));
  }
}
