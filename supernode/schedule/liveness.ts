import type { Member } from "./member.ts";

/** One of whom so many members say that it is silent is in doubt: as gone as its own reports are late. */
const DOUBTERS = 2;
/** … for so long, ms. */
const DOUBT_MS = 5000;
/** A report of one in doubt may be so late, ms: then nobody is sent to it any more. */
const DOUBTED_LATE_MS = 500;
/** A runner that is silent for so long is dead; its leases go to others, ms. */
const RUNNER_SILENCE_MS = 1700;
/** … and so many times as much longer as reports are late in the mean. */
const LATENESS_FACTOR = 4;
/** How much of a new measurement goes into that mean, and the most that one may count for, ms. */
const LATENESS_SMOOTHING = 0.2;
const MOST_LATENESS_MS = 1500;
/** Heartbeats that may fail to come before a member counts as gone, … */
const MISSED = 3;
/** … each of which it is given so long for, at least, ms. */
const SHORTEST_HEARTBEAT_MS = 500;

type Heard = Pick<
  Member,
  "id" | "lastSeenMs" | "deafMs" | "heartbeatMs" | "doubters" | "neighbours"
>;

/**
 * Who of a swarm is alive, by what is heard of each and by what its neighbours say. Where the supernode itself was
 * too busy to listen, or all are late, on hosts short of processor time say, one who is late is not dead. Pure.
 */
export class Liveness {
  /** How long the supernode has been too busy to hear anybody, in all, ms. */
  #deafMs = 0;
  /** How much later than they should reports come of late, ms. */
  #latenessMs = 0;

  /** The supernode was too busy to hear anybody, ms. */
  deaf(ms: number): void {
    this.#deafMs += ms;
  }

  /** How much longer than usual to be patient, ms. */
  get slackMs(): number {
    return LATENESS_FACTOR * this.#latenessMs;
  }

  /** A member has come. */
  came(member: Heard, nowMs: number): void {
    member.lastSeenMs = nowMs;
    member.deafMs = this.#deafMs;
  }

  /** A member has reported. */
  heard(member: Heard, nowMs: number): void {
    const lateMs = Math.min(MOST_LATENESS_MS, Math.max(0, this.#lateMs(member, nowMs)));
    this.#latenessMs += (lateMs - this.#latenessMs) * LATENESS_SMOOTHING;
    this.came(member, nowMs);
  }

  /** Whether one who fetches from the source is silent for so long that others should do it. */
  isSilent(member: Heard, nowMs: number): boolean {
    return this.#silenceMs(member, nowMs) > this.#patienceMs;
  }

  /**
   * Whether a member counts as gone. First its leases go ({@link isSilent}): a host that is out of breath for a
   * moment would else lose all its nodes at once, who would go to the source, each for itself.
   */
  isGone(member: Heard, nowMs: number): boolean {
    const dueMs = Math.max(SHORTEST_HEARTBEAT_MS, member.heartbeatMs);
    return this.#silenceMs(member, nowMs) > this.#patienceMs + MISSED * dueMs;
  }

  /** A member has dropped another, which was silent, or failed, or was slow. */
  doubt(member: Heard, by: Pick<Member, "id">, nowMs: number): void {
    member.doubters.set(by.id, nowMs);
  }

  /**
   * Whether others have dropped a member, and it is late besides. Who reports in time is alive, whatever others
   * say: on busy hosts neighbours drop each other.
   */
  isGivenUp(member: Heard, nowMs: number): boolean {
    if (!this.#isDoubted(member, nowMs)) return false;
    return this.#lateMs(member, nowMs) >= DOUBTED_LATE_MS + this.slackMs;
  }

  /** It may well report, but those who were sent to it do not find it. */
  isUnreachable(member: Heard, nowMs: number): boolean {
    const count = countDoubters(member, nowMs);
    return count >= DOUBTERS && count >= member.neighbours.size;
  }

  get #patienceMs(): number {
    return RUNNER_SILENCE_MS + this.slackMs;
  }

  #silenceMs(member: Heard, nowMs: number): number {
    return nowMs - member.lastSeenMs - (this.#deafMs - member.deafMs);
  }

  #lateMs(member: Heard, nowMs: number): number {
    return this.#silenceMs(member, nowMs) - member.heartbeatMs;
  }

  #isDoubted(member: Heard, nowMs: number): boolean {
    const count = countDoubters(member, nowMs);
    return count > 0 && (count >= DOUBTERS || member.neighbours.size === 0);
  }
}

function countDoubters({ doubters }: Heard, nowMs: number): number {
  for (const [id, sinceMs] of doubters) if (nowMs - sinceMs > DOUBT_MS) doubters.delete(id);
  return doubters.size;
}
