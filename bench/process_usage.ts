import { readFile } from "node:fs/promises";

/** What a process has used so far. */
export interface ProcessUsage {
  /** Processor time of all its threads, in user space and kernel, s. */
  cpuSeconds: number;
  /** Memory it has now, and had at most, bytes. */
  rss: number;
  peakRss: number;
}

/** Ticks a second of the times in `/proc`; the same on all Linux systems (`getconf CLK_TCK`). */
const TICKS = 100;

/**
 * Reads what a process has used from `/proc` (proc(5)).
 *
 * @throws {Error} where it has ended, or this is not Linux
 */
export async function processUsage(pid: number): Promise<ProcessUsage> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, "utf8"),
    readFile(`/proc/${pid}/status`, "utf8"),
  ]);
  return parseUsage(stat, status);
}

/** Reads what `/proc/<pid>/stat` and `/proc/<pid>/status` say. */
export function parseUsage(stat: string, status: string): ProcessUsage {
  // The name, in parentheses, may hold anything; utime and stime are the 12th and 13th after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS,
    rss: memoryIn(status, "VmRSS"),
    peakRss: memoryIn(status, "VmHWM"),
  };
}

/** An amount of memory that `/proc/<pid>/status` or `/proc/meminfo` tells by that name, bytes; 0 where it does not. */
export function memoryIn(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
}
