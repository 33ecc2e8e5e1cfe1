import type { Outcome } from "./run_schedule.ts";
import { FAULT_KINDS, type FaultKind } from "./schedule.ts";

/** What many schedules came to, as lines for people. */
export function figures(outcomes: readonly Outcome[]): string {
  const faults = new Map<FaultKind, { all: number; inFailed: number }>();
  for (const kind of FAULT_KINDS) faults.set(kind, { all: 0, inFailed: 0 });
  for (const { schedule, violations } of outcomes) {
    for (const { kind } of schedule.faults) {
      const count = faults.get(kind)!;
      count.all += 1;
      if (violations.length > 0) count.inFailed += 1;
    }
  }
  const sum = (of: (outcome: Outcome) => number) =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const failed = outcomes.filter(({ violations }) => violations.length > 0);
  const longest = (of: (outcome: Outcome) => number) =>
    (Math.max(0, ...outcomes.map(of)) / 1000).toFixed(1);
  return [
    `${outcomes.length} schedules, ${failed.length} failed${failed.length > 0 ? `: seeds ${failed.map(({ schedule }) => schedule.seed).join(", ")}` : ""}`,
    `${sum(({ schedule }) => schedule.faults.length)} faults:`,
    ...[...faults].map(
      ([kind, { all, inFailed }]) =>
        `  ${kind.padEnd(20)} ${String(all).padStart(5)}${inFailed > 0 ? `  (${inFailed} of them in failed schedules)` : ""}`,
    ),
    `${sum(({ pulls }) => pulls)} pulls went well, ${(sum(({ bytes }) => bytes) / 1e6).toFixed(0)} MB checked; ${sum(({ excused }) => excused)} more failed as direct ones would have, and went well when repeated`,
    `lost: ${failed.length === 0 ? "nothing" : `see the failed schedules`}`,
    `the slowest pull took ${longest(({ slowestMs }) => slowestMs)} s; healthy again ${longest(({ healthyMs }) => healthyMs)} s after the last fault at the latest`,
  ].join("\n");
}
