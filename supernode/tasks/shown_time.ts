/** What the two clocks say at one moment, ms: one that nobody sets, and the time since the epoch. */
export interface Clocks {
  steadyMs: number;
  wallMs: number;
}

/** What the clock on the wall would have said when something was noted by the steady one; ms since the epoch. */
export function shownTime(steadyMs: number, now: Clocks): number {
  return Math.round(now.wallMs - (now.steadyMs - steadyMs));
}
