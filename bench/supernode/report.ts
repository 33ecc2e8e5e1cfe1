import Table from "cli-table3";
import type { LatencySummary } from "./latencies.ts";

/** One stretch of load. */
export interface Phase {
  name: string;
  /** How long requests took, by kind. */
  kinds: Readonly<Record<string, LatencySummary>>;
  seconds: number;
  /** Of the supernode. */
  cpuSeconds: number;
  /** Memory of the supernode at the end, and at most so far, bytes. */
  rss: number;
  peakRss: number;
}

/** 99 of 100 requests of each kind are answered within this, ms. */
export const P99_LIMIT_MS = 50;
/** Memory of the supernode at most, bytes. */
export const RSS_LIMIT = 400e6;

export function renderPhase({ name, kinds, seconds, cpuSeconds, rss }: Phase): string {
  const table = new Table({
    head: ["request", "number", "a second", "p50 ms", "p99 ms", "most ms"],
    colAligns: ["left", "right", "right", "right", "right", "right"],
    style: { head: [], border: [] },
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
  });
  for (const [kind, { count, p50, p99, most, seconds: span }] of Object.entries(kinds)) {
    const times = [p50, p99, most].map((ms) => ms.toFixed(1));
    table.push([kind, count, (count / Math.max(span, 0.001)).toFixed(0), ...times]);
  }
  const busy = ((cpuSeconds / seconds) * 100).toFixed(0);
  return `${name} (${seconds.toFixed(1)} s; supernode: CPU ${busy} % of a core, RSS ${megabytes(rss)} MB)\n${table}`;
}

/** The closing line and what is not as it should be. */
export function figures(phases: readonly Phase[]): { lines: string[]; problems: string[] } {
  let worst = { ms: 0, where: "" };
  const problems: string[] = [];
  for (const { name, kinds } of phases) {
    for (const [kind, { p99 }] of Object.entries(kinds)) {
      if (p99 > P99_LIMIT_MS)
        problems.push(
          `${name}: 99 of 100 of kind ${kind} within ${p99.toFixed(0)} ms, not ${P99_LIMIT_MS}`,
        );
      if (p99 > worst.ms) worst = { ms: p99, where: `${kind}, ${name}` };
    }
  }
  const rss = Math.max(...phases.map(({ peakRss }) => peakRss));
  if (rss > RSS_LIMIT)
    problems.push(`${megabytes(rss)} MB of memory, more than ${megabytes(RSS_LIMIT)}`);
  const ratio = Math.max(worst.ms / P99_LIMIT_MS, rss / RSS_LIMIT);
  return {
    lines: [
      `supernode ratio=${ratio.toFixed(3)} (worst p99 ${worst.ms.toFixed(1)} ms of ${P99_LIMIT_MS}: ${worst.where}; RSS at most ${megabytes(rss)} MB of ${megabytes(RSS_LIMIT)})`,
    ],
    problems,
  };
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
