import type { BlockRun } from "../../protocol/swarm/blocks.ts";
import { BlockIntegrity } from "./block_integrity.ts";
import { heartbeatPace } from "./heartbeat_pace.ts";
import type { HeartbeatRelief } from "./heartbeat_relief.ts";
import { Liveness } from "./liveness.ts";
import {
  type Member,
  type MemberAdvice,
  type MemberReport,
  type Newcomer,
  newMember,
} from "./member.ts";
import {
  DEFAULT_NEIGHBOUR_LIMITS,
  isNear,
  Neighbourhood,
  type NeighbourLimits,
} from "./neighbours.ts";
import type { BlockOrigin, OpenBlocks } from "./open_blocks.ts";
import type { SourceBudget } from "./source_budget.ts";
import {
  DEFAULT_LEASE_LIMITS,
  type FileInBlocks,
  type Lease,
  type LeaseLimits,
  SourceLeases,
} from "./source_leases.ts";
import { StarvedBlocks } from "./starved_blocks.ts";

export interface SwarmTaskOptions extends FileInBlocks {
  /** What all tasks of the same registry share. */
  budget: SourceBudget;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Of the supernode that has all the swarms; absent: it has time. */
  relief?: HeartbeatRelief;
  neighbours?: NeighbourLimits;
  leases?: LeaseLimits;
  /** Told of each node that is found to hand out, or to report, wrong blocks: it is used no more. */
  onLiar?: (node: string, ids: readonly string[]) => void;
  /** Told of each member that counts as gone because others have dropped it. */
  onGivenUp?: (node: string, id: string) => void;
  /** Told of each stretch of blocks that a member has fetched from outside the swarm. */
  onFetched?: (run: BlockRun, origin: BlockOrigin) => void;
}

/** Milliseconds in which a swarm that has lost its supernode gathers at another one. */
const GATHER_MS = 2000;
/** … longer where one comes late, by so long after that: others of a busy host may be about to. */
const GATHER_MORE_MS = 1500;
/** … at most. */
const GATHER_MOST_MS = 5000;

/**
 * One task's swarm, as the supernode sees it: who its members are, who of them are neighbours, and who
 * fetches what from the source. Which block comes from whom is the members' own affair, so that a
 * member costs one join and a heartbeat every second or two, however large the file is. Pure: clock
 * and randomness come from outside.
 */
export class SwarmTask {
  readonly #options: SwarmTaskOptions;
  readonly #members = new Map<string, Member>();
  readonly #neighbourhood: Neighbourhood<Member>;
  readonly #leases: SourceLeases<Member>;
  readonly #liveness = new Liveness();
  readonly #integrity: BlockIntegrity;
  readonly #starved: StarvedBlocks;
  /** Until when nothing is leased, since who holds what is still being told, ms. */
  #gathersUntilMs = 0;
  /** When that ends at the latest, ms. */
  #gathersMostMs = 0;
  #seedRefusals = 0;

  constructor(options: SwarmTaskOptions) {
    this.#options = options;
    const { blocks, budget, random } = options;
    this.#neighbourhood = new Neighbourhood(options.neighbours ?? DEFAULT_NEIGHBOUR_LIMITS, random);
    this.#leases = new SourceLeases(options, options.leases ?? DEFAULT_LEASE_LIMITS, budget);
    this.#integrity = new BlockIntegrity({
      ...{ blocks, random, members: this.#members, leases: this.#leases },
      onBanned: (node) => this.#useNoMore(node),
    });
    this.#starved = new StarvedBlocks({
      leases: this.#leases,
      neighbourhood: this.#neighbourhood,
      canBeReached: (by, nowMs) =>
        !this.#integrity.isUseless(by.node) && !this.#liveness.isUnreachable(by, nowMs),
    });
  }

  get size(): number {
    return this.#members.size;
  }

  has(id: string): boolean {
    return this.#members.has(id);
  }

  /** What the blocks hash to, and who has handed out, or reported, wrong ones. */
  get integrity(): Pick<BlockIntegrity, "isBanned" | "asked"> {
    return this.#integrity;
  }

  /** Nodes that fetch from the source now. */
  get runners(): number {
    return this.#leases.runners;
  }

  /** Leases held, and blocks that are still to be leased. */
  get work(): { leases: number; openBlocks: number } {
    return { leases: this.#leases.held, openBlocks: this.#leases.open.count };
  }

  /** How many members could not fetch from the supernode's own copy. */
  get seedRefusals(): number {
    return this.#seedRefusals;
  }

  /** How many blocks before a certain one a member has. */
  fetchedBelow(block: number): number {
    return this.#leases.fetched.below(block);
  }

  /** Whether a member has a block. */
  isFetched(block: number): boolean {
    return this.#leases.fetched.of(block) !== undefined;
  }

  /** The blocks that nobody fetches or has fetched, for those who know where else they come from. */
  get open(): Pick<OpenBlocks, "supply" | "setAside" | "put"> {
    return this.#leases.open;
  }

  /** What a member fetches from outside the swarm now. */
  leasesOf(id: string): readonly Lease<unknown>[] {
    const member = this.#members.get(id);
    return member ? this.#leases.of(member) : [];
  }

  /** A node takes part; one that is known starts afresh. */
  join(newcomer: Newcomer, nowMs: number): MemberAdvice {
    this.leave(newcomer.id);
    const { id, serves, node = id, holds, fetching } = newcomer;
    const isBelieved = serves && !this.#integrity.isRefuted(node);
    const member = newMember(newcomer, isBelieved ? [...(holds ?? [])] : []);
    this.#liveness.came(member, nowMs);
    // Those who have lost their supernode together come within a second, and together hold the most.
    if (fetching && this.#members.size === 0) {
      this.#gathersUntilMs = nowMs + GATHER_MS;
      this.#gathersMostMs = nowMs + GATHER_MOST_MS;
    } else if (fetching && nowMs < this.#gathersUntilMs) {
      const laterMs = Math.min(nowMs + GATHER_MORE_MS, this.#gathersMostMs);
      this.#gathersUntilMs = Math.max(this.#gathersUntilMs, laterMs);
    }
    this.#members.set(id, member);
    if (serves) this.#leases.awaited.said(member, newcomer.awaited ?? []);
    if (serves) for (const run of fetching ?? []) this.#leases.adopt(member, run, nowMs);
    for (const block of member.heldBefore) {
      const fetched = this.#leases.fetched.of(block);
      if (!fetched || fetched.by.gone) this.#leases.hold(block, member, nowMs);
    }
    const neighbours = this.#neighbourhood.welcome(member);
    if (serves) this.#neighbourhood.add(member);
    const advice = this.#advise(member, neighbours, DEFAULT_LEASE_LIMITS.perRunner, nowMs);
    return { ...advice, digests: [] };
  }

  /** A member says how it is doing; `undefined` where it is not known (any more). */
  report(id: string, report: MemberReport, nowMs: number): MemberAdvice | undefined {
    const member = this.#members.get(id);
    if (!member) return undefined;
    this.#liveness.heard(member, nowMs);
    member.held = report.held;
    const integrity = this.#integrity;
    this.#leases.awaited.said(member, report.awaited ?? []);
    for (const lease of report.leases) this.#leases.resume(member, lease.id, lease.done, nowMs);
    const failed = report.leases.filter((progress) => {
      integrity.fetched(member, progress, nowMs);
      return this.#noteProgress(member, progress, nowMs);
    });
    integrity.told(member, report.told, nowMs);
    const digests = integrity.takeNews();
    if (failed.length > 0) this.#leases.release(member);
    for (const { block, from } of report.wrong ?? []) integrity.accused(member, block, from, nowMs);
    // What it has said may have shown that it lies itself.
    if (member.gone) return undefined;
    integrity.owed(member, report.owed, nowMs);
    for (const other of report.slow ?? []) integrity.slow(member, other, nowMs);
    for (const other of report.dropped) this.#part(member, other, nowMs);
    const neighbours = [
      ...this.#neighbourhood.replenish(member),
      ...this.#starved.feed(member, report.starved, nowMs),
    ];
    return { ...this.#advise(member, neighbours, report.wantsLeases, nowMs), digests };
  }

  /** Whether blocks that nobody has are on their way to one of the members. */
  isFetching(nowMs: number): boolean {
    return this.#leases.isMoving(nowMs);
  }

  /** A member is gone: its leases go to others, and nobody is sent to it any more. */
  leave(id: string): void {
    const member = this.#members.get(id);
    if (!member) return;
    member.gone = true;
    this.#members.delete(id);
    this.#leases.release(member);
    this.#leases.awaited.said(member, []);
    this.#neighbourhood.remove(member);
  }

  /**
   * Finds those who are silent. To be called a few times a second.
   *
   * @param deafMs for how long, since the last call, the supernode was too busy to hear anybody: then
   *   a node that is not heard of may have spoken all the same
   */
  expire(nowMs: number, deafMs = 0): void {
    const liveness = this.#liveness;
    liveness.deaf(deafMs);
    this.#leases.expire(nowMs, (holder) => liveness.isSilent(holder, nowMs), liveness.slackMs);
    this.#integrity.expire(nowMs);
    for (const member of this.#members.values()) {
      if (liveness.isGone(member, nowMs)) this.leave(member.id);
      else if (member.doubters.size > 0) this.#giveUpLate(member, nowMs);
    }
  }

  /** Whether the source, or our copy, has failed a member, which is sent there no more. */
  #noteProgress(
    member: Member,
    { id, done, partBytes, failed }: MemberReport["leases"][number],
    nowMs: number,
  ): boolean {
    const granted = this.#leases.of(member).find((lease) => lease.id === id);
    const before = granted?.done ?? 0;
    this.#leases.progress(member, id, done, nowMs, partBytes);
    if (!granted) return false;
    const { first, origin } = granted;
    if (granted.done > before)
      this.#options.onFetched?.({ first: first + before, count: granted.done - before }, origin);
    if (!failed) return false;
    if (origin.kind === "peer") {
      this.#leases.setAside(member, id, nowMs);
      return false;
    }
    if (origin.kind === "seed" && !member.refused.has("seed")) this.#seedRefusals += 1;
    member.refused.add(origin.kind);
    return true;
  }

  #advise(member: Member, given: readonly Member[], wantsLeases: number, nowMs: number) {
    const isDone = member.held >= this.#options.blocks;
    if (!isDone && nowMs >= this.#gathersUntilMs) this.#lease(member, wantsLeases, nowMs);
    const leases = this.#leases.of(member);
    const { isHeldBack, comesMore } = this.#leases.open;
    member.heartbeatMs = heartbeatPace({
      members: this.#members.size,
      isRunner: leases.length > 0,
      isDone,
      waits: wantsLeases > 0 && (comesMore || this.#integrity.isOpen(nowMs)),
      isHeldBack,
      relief: this.#options.relief?.factor ?? 1,
      random: this.#options.random,
    });
    return {
      neighbours: given.map((other) => ({ id: other.id, near: isNear(member, other) })),
      leases: leases.map(({ id, first, count, origin }) => ({ id, first, count, origin })),
      tell: this.#integrity.toTell(member, nowMs),
      heartbeatMs: member.heartbeatMs,
    };
  }

  #lease(member: Member, wants: number, nowMs: number): void {
    const isUrgent = this.#leases.awaited.urgent(member) !== undefined;
    const wanted = isUrgent ? Math.max(1, wants) : wants;
    const doubtful = () => this.#integrity.doubtfulFor(member, nowMs);
    for (let left = wanted; left > 0; left--) {
      if (this.#leases.grantAgain(member, nowMs, doubtful)) continue;
      if (!this.#leases.grant(member, nowMs, member.refused)) break;
    }
  }

  #part(member: Member, otherId: string, nowMs: number): void {
    const other = this.#members.get(otherId);
    if (!other) return;
    this.#neighbourhood.unlink(member, other);
    this.#liveness.doubt(other, member, nowMs);
    this.#giveUpLate(other, nowMs);
  }

  #giveUpLate(member: Member, nowMs: number): void {
    if (!this.#liveness.isGivenUp(member, nowMs)) return;
    this.leave(member.id);
    this.#options.onGivenUp?.(member.node, member.id);
  }

  /** A node is a liar. */
  #useNoMore(node: string): void {
    const ids = [...this.#members.values()].flatMap((one) => (one.node === node ? [one.id] : []));
    for (const id of ids) this.leave(id);
    this.#options.onLiar?.(node, ids);
  }
}
