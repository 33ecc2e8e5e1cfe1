import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { isMissing } from "../../runtime/config_file.ts";
import { showBytes } from "../amounts.ts";
import type { Check, Finding } from "./check.ts";

const GB = 1e9;
/** A few layers must fit; with less than the other, a large image does not. */
const LEAST = { fail: 1 * GB, warn: 10 * GB };

/** Whether layers have room on this node. */
export const disk: Check = {
  name: "disk",
  patienceMs: 5000,
  async run({ peer }) {
    const place = await nearest(peer.dataDir);
    const { bavail, bsize, files, ffree } = await statfs(place);
    const free = bavail * bsize;
    const says = `${showBytes(free)} free for ${peer.dataDir}`;
    const todo = "make room, or put the cache elsewhere (--home in dfget_flags)";
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
        name: "disk",
        state: "fail",
        says: `${ffree} files may still be made`,
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
    if (!isMissing(error) || path === "/") throw error;
    return nearest(dirname(path));
  }
}
