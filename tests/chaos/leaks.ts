import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Site, SitePart } from "./site.ts";

/** What a process holds. */
export interface Holdings {
  descriptors: number;
  /** Descriptors of files that are deleted. */
  deleted: number;
  timers: number;
  /** Bytes in memory. */
  rss: number;
}

/**
 * Descriptors that a process may hold beyond those at its start, and those of its cached files: idle
 * connections to each of the others, at most 16 an agent and host.
 */
const SPARE_DESCRIPTORS = 64;
/** Timers that may be under way in an idle process: of idle connections. */
const SPARE_TIMERS = 8;
/** Bytes that no program of ours may grow to by so little work. */
const MAX_RSS = 320 * 1024 * 1024;

export async function holdings(site: Site, part: SitePart): Promise<Holdings> {
  const { pid } = part.process;
  const descriptors = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(
    descriptors.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => "")),
  );
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const counts = await site.counts(part);
  return {
    descriptors: descriptors.length,
    deleted: targets.filter((target) => target.endsWith(" (deleted)")).length,
    timers: counts.Timeout ?? 0,
    rss: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024,
  };
}

/**
 * What an idle program holds that it should have let go of.
 *
 * @param wasKilled whether it was, at any time
 */
export async function leaksOf(
  site: Site,
  part: SitePart,
  before: Holdings,
  wasKilled: boolean,
): Promise<string[]> {
  const now = await holdings(site, part);
  const files = await filesIn(part.cache!);
  const leaks: string[] = [];
  const cached = files.filter((name) => !name.endsWith(".json")).length;
  if (now.descriptors > before.descriptors + cached + SPARE_DESCRIPTORS)
    leaks.push(`${now.descriptors} descriptors, ${before.descriptors} at first`);
  if (now.deleted > 0) leaks.push(`${now.deleted} descriptors of deleted files`);
  if (now.timers > before.timers + SPARE_TIMERS)
    leaks.push(`${now.timers} timers, ${before.timers} at first`);
  if (now.rss > MAX_RSS) leaks.push(`${Math.round(now.rss / 1e6)} MB of memory`);
  // What a killed process left unfinished goes after some minutes: another one might be at it.
  const finished = part.name === "supernode" || wasKilled ? [] : files;
  for (const name of finished) {
    // A file without its index, or an index without its file, is of no use to anybody.
    const index = name.endsWith(".json");
    const other = index ? name.slice(0, -".json".length) : `${name}.json`;
    if (!files.includes(other)) leaks.push(`a file left: ${name}`);
  }
  return leaks.map((leak) => `${part.name}: ${leak}`);
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
}
