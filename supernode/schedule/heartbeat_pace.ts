/** Milliseconds between the heartbeats of those who fetch from the source. */
const RUNNER_HEARTBEAT_MS = 500;
/** … of the others who download: longer with many of them. */
const HEARTBEAT_MS = { least: 1000, most: 3000 };
/**
 * … and at most, where the supernode is too busy for more. When such a one starts again, it hears of all its members
 * later than 5 s.
 */
const RELIEVED_MS = 8000;
/** … of those who wait for blocks that are still to come to where they can be had, at least. */
const WAITING_HEARTBEAT_MS = 100;
/** A report of any of those who wait comes every so many ms. */
const WAITING_REPORT_MS = 20;
/** Reports a second of one task that the supernode aims at. */
const HEARTBEATS_PER_SECOND = 5000;
/**
 * … of those who have the whole file: with up to a fifth more, the second over which they spread, and the question to the
 * source a supernode that starts again hears of all of them within 5 s.
 */
const SEED_HEARTBEAT_MS = 3000;

export interface Occasion {
  /** Members of the swarm. */
  members: number;
  /** Whether the one who is told holds leases. */
  isRunner: boolean;
  /** Whether it has the whole file. */
  isDone: boolean;
  /** Whether it could work on a lease that there is not yet. */
  waits: boolean;
  /** Whether those who fetch wait for a copy that waits for them. */
  isHeldBack: boolean;
  /** Times as long as usual, since the supernode is busy; 1 or more. */
  relief: number;
  /** Uniform in [0, 1). */
  random: () => number;
}

/** Milliseconds until a member should report again. Pure. */
export function heartbeatPace(occasion: Occasion): number {
  const { members, isRunner, isDone, waits, isHeldBack, relief, random } = occasion;
  const waitingMs = Math.max(WAITING_HEARTBEAT_MS, WAITING_REPORT_MS * members);
  if (isRunner) return isHeldBack ? Math.min(waitingMs, RUNNER_HEARTBEAT_MS) : RUNNER_HEARTBEAT_MS;
  if (waits && waitingMs < HEARTBEAT_MS.least) return waitingMs;
  const forAllMs = Math.max(HEARTBEAT_MS.least, (members / HEARTBEATS_PER_SECOND) * 1000);
  const usualMs = isDone ? SEED_HEARTBEAT_MS : Math.min(HEARTBEAT_MS.most, forAllMs);
  const relievedMs = Math.max(usualMs, Math.min(RELIEVED_MS, usualMs * relief));
  // Those who came together should not report together.
  return Math.round(relievedMs * (0.8 + 0.4 * random()));
}
