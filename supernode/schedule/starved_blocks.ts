import type { Member } from "./member.ts";
import type { Neighbourhood } from "./neighbours.ts";
import type { SourceLeases } from "./source_leases.ts";

/** A block that was fetched so recently is still on its way to the others, ms. */
const SPREADING_MS = 1000;
/** Starved blocks that are looked at in a report. */
const STARVED_PER_REPORT = 64;

export interface StarvedBlocksParts {
  leases: SourceLeases<Member>;
  neighbourhood: Neighbourhood<Member>;
  /** Whether others can get blocks from a member that is here. */
  canBeReached(member: Member, nowMs: number): boolean;
}

/**
 * Leads members to blocks that none of their neighbours has: to the node that fetched them; where that is gone, and
 * nobody turns up with them, they are leased anew. Pure.
 */
export class StarvedBlocks {
  readonly #parts: StarvedBlocksParts;
  /** Since when blocks whose fetcher is gone are missed, ms. */
  readonly #missed = new Map<number, number>();

  constructor(parts: StarvedBlocksParts) {
    this.#parts = parts;
  }

  /** @returns the neighbours that a member has been given for what it lacks */
  feed(member: Member, starved: readonly number[], nowMs: number): Member[] {
    const { leases, neighbourhood, canBeReached } = this.#parts;
    const given: Member[] = [];
    for (const block of starved.slice(0, STARVED_PER_REPORT)) {
      const fetched = leases.fetched.of(block);
      if (!fetched || nowMs - fetched.sinceMs < SPREADING_MS) continue;
      const { by } = fetched;
      if (by === member) {
        leases.again(block);
      } else if (!by.gone && canBeReached(by, nowMs)) {
        if (by.serves && neighbourhood.link(member, by)) given.push(by);
      } else if (this.#isMissed(block, nowMs)) {
        leases.again(block);
      }
    }
    return given;
  }

  /** Whether a block whose fetcher is gone does not turn up with others either. */
  #isMissed(block: number, nowMs: number): boolean {
    const sinceMs = this.#missed.get(block);
    if (sinceMs === undefined || nowMs - sinceMs > 10 * SPREADING_MS) {
      this.#missed.set(block, nowMs);
      return false;
    }
    if (nowMs - sinceMs < SPREADING_MS) return false;
    this.#missed.delete(block);
    return true;
  }
}
