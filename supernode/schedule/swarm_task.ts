import type { BlockRun } from "../../protocol/swarm/blocks.ts";
import { Bans } from "./bans.ts";
import { BlockDigests, type DigestRun, digestRuns } from "./block_digests.ts";
import { type Belief, HeldDigests } from "./held_digests.ts";
import {
  DEFAULT_NEIGHBOUR_LIMITS,
  isNear,
  Neighbourhood,
  type NeighbourLimits,
  placeOf,
  type Resident,
} from "./neighbours.ts";
import type { BlockOrigin } from "./open_blocks.ts";
import type { SourceBudget } from "./source_budget.ts";
import {
  DEFAULT_LEASE_LIMITS,
  type Lease,
  type LeaseLimits,
  SourceLeases,
} from "./source_leases.ts";

export interface SwarmTaskOptions {
  /** Blocks of the file. */
  blocks: number;
  /** What all tasks of the same registry share. */
  budget: SourceBudget;
  /** Uniform in [0, 1). */
  random: () => number;
  neighbours?: NeighbourLimits;
  leases?: LeaseLimits;
  /** Told of each node that is found to hand out, or to report, wrong blocks: it is used no more. */
  onLiar?: (node: string, ids: readonly string[]) => void;
  /** Told of each member that counts as gone because others have dropped it. */
  onGivenUp?: (node: string, id: string) => void;
  /** Told of each stretch of blocks that a member has fetched from outside the swarm. */
  onFetched?: (run: BlockRun, origin: BlockOrigin) => void;
}

/** Who comes. */
export interface Newcomer {
  /** Its client id. */
  id: string;
  /** Where it is, whatever its id. Default: its id. */
  node?: string;
  zone: string;
  subnet: string;
  /** Whether others can be sent to it. */
  serves: boolean;
  /** Blocks it holds. */
  held: number;
  /** Which, where it says so. */
  holds?: Iterable<number> | undefined;
  /** Of one whose supernode was another until now: what it is fetching from the source. */
  fetching?: readonly BlockRun[] | undefined;
}

/** What a member says; see `taskReportSchema` (protocol/swarm/messages.ts), where each is explained. */
export interface MemberReport {
  held: number;
  leases: readonly {
    id: number;
    done: number;
    partBytes?: number | undefined;
    failed: boolean;
    digests?: readonly string[];
  }[];
  wantsLeases: number;
  starved: readonly number[];
  dropped: readonly string[];
  slow?: readonly string[];
  wrong?: readonly { block: number; from: string }[];
  told?: readonly { first: number; digests: readonly string[] }[];
}

/** What a member is told. */
export interface MemberAdvice {
  /** Its new neighbours. */
  neighbours: readonly { id: string; near: boolean }[];
  /** All leases it holds from now on. */
  leases: readonly { id: number; first: number; count: number; origin: BlockOrigin }[];
  /** What is news of what it has said about blocks: to be sealed. */
  digests: readonly DigestRun[];
  /** Blocks of which it is to tell what they hash to. */
  tell: readonly BlockRun[];
  /** Milliseconds until it should report again. */
  heartbeatMs: number;
}

interface Member extends Resident<Member> {
  readonly id: string;
  readonly node: string;
  serves: boolean;
  held: number;
  lastSeenMs: number;
  /** How long the supernode had been deaf by then, ms. */
  deafMs: number;
  /** What it was told of when to report again, ms. */
  heartbeatMs: number;
  gone: boolean;
  /** Places that it cannot fetch from, by `BlockOrigin`'s kinds. */
  readonly refused: Set<string>;
  /** Who has dropped it, and when, ms. */
  readonly doubters: Map<string, number>;
  /** What it held before the swarm began, as it says. */
  readonly heldBefore: readonly number[];
  /** Whether it may still have to be asked what that hashes to. */
  asks: boolean;
}

/** One of whom so many members say that it is silent is in doubt: as gone as its own reports are late. */
const DOUBTERS = 2;
/** … for so long, ms. */
const DOUBT_MS = 5000;
/** A report of one in doubt may be so late, ms: then nobody is sent to it any more. */
const DOUBTED_LATE_MS = 500;

/** Milliseconds between the heartbeats of those who fetch from the source. */
const RUNNER_HEARTBEAT_MS = 500;
/** … of the others who download: longer with many of them. */
const HEARTBEAT_MS = { least: 1000, most: 3000 };
/** … of those who wait for blocks that are still to come to where they can be had, at least. */
const WAITING_HEARTBEAT_MS = 100;
/** A report of any of those who wait comes every so many ms. */
const WAITING_REPORT_MS = 20;
/** Reports a second of one task that the supernode aims at. */
const HEARTBEATS_PER_SECOND = 5000;
/** … of those who have the whole file: a supernode that starts again hears of all of them within 5 s. */
const SEED_HEARTBEAT_MS = 4000;
/** A runner that is silent for so long is dead; its leases go to others, ms. */
const RUNNER_SILENCE_MS = 1700;
/** … and so many times as much longer as reports are late in the mean. */
const LATENESS_FACTOR = 4;
/** How much of a new measurement goes into that mean, and the most that one may count for, ms. */
const LATENESS_SMOOTHING = 0.2;
const MOST_LATENESS_MS = 1500;
/** Milliseconds in which a swarm that has lost its supernode gathers at another one. */
const GATHER_MS = 2000;
/** Heartbeats that may fail to come before a member counts as gone. */
const MISSED = 3;
/** A block that was fetched so recently is still on its way to the others, ms. */
const SPREADING_MS = 1000;
/** Blocks of which a member is asked at once what they hash to. */
const TELL_AT_ONCE = 1024;
/** Starved blocks that are looked at in a report. */
const STARVED_PER_REPORT = 64;

/**
 * One task's swarm, as the supernode sees it: who its members are, who of them are neighbours, and who
 * fetches what from the source. Which block comes from whom is the members' own affair, so that a
 * member costs one join and a heartbeat every second or two, however large the file is. Pure: clock
 * and randomness come from outside.
 */
export class SwarmTask {
  readonly #random: () => number;
  readonly #blocks: number;
  readonly #members = new Map<string, Member>();
  readonly #neighbourhood: Neighbourhood<Member>;
  readonly #leases: SourceLeases<Member>;
  /** How long the supernode has been too busy to hear anybody, in all, ms. */
  #deafMs = 0;
  /** Until when nothing is leased, since who holds what is still being told, ms. */
  #gathersUntilMs = 0;
  /** How much later than they should reports come of late, ms. */
  #latenessMs = 0;
  #seedRefusals = 0;
  /** Since when blocks whose fetcher is gone are missed, ms. */
  readonly #missed = new Map<number, number>();
  readonly #digests: BlockDigests;
  readonly #held = new HeldDigests();
  /** Blocks of which it has come out what they hash to, while nobody was told. */
  #news: number[] = [];
  readonly #bans = new Bans();
  /** Nodes that others could get no block from: what they say to hold is to be had elsewhere. */
  readonly #useless = new Bans(1);
  readonly #onLiar: (node: string, ids: readonly string[]) => void;
  readonly #onGivenUp: (node: string, id: string) => void;
  readonly #onFetched: (run: BlockRun, origin: BlockOrigin) => void;

  constructor(options: SwarmTaskOptions) {
    this.#random = options.random;
    this.#blocks = options.blocks;
    this.#digests = new BlockDigests(options.blocks);
    this.#onLiar = options.onLiar ?? (() => {});
    this.#onGivenUp = options.onGivenUp ?? (() => {});
    this.#onFetched = options.onFetched ?? (() => {});
    this.#neighbourhood = new Neighbourhood(
      options.neighbours ?? DEFAULT_NEIGHBOUR_LIMITS,
      options.random,
    );
    this.#leases = new SourceLeases(
      options.blocks,
      options.leases ?? DEFAULT_LEASE_LIMITS,
      options.budget,
    );
  }

  get size(): number {
    return this.#members.size;
  }

  has(id: string): boolean {
    return this.#members.has(id);
  }

  /** Whether a node is used no more because it has handed out, or reported, wrong blocks. */
  isBanned(node: string): boolean {
    return this.#bans.has(node);
  }

  /** Whether somebody has told, or will, what a block hashes to. */
  willBeKnown(block: number): boolean {
    if (this.#digests.of(block) !== undefined || this.#held.isPending(block)) return true;
    return !this.#leases.wasHeldBefore(block);
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
    return this.#leases.fetchedBelow(block);
  }

  /** See `OpenBlocks.supply`. */
  supply(kind: "source" | "seed", ready: number, waits = false): void {
    this.#leases.open.supply(kind, ready, waits);
  }

  /** See `OpenBlocks.setAside`. */
  setAside(run: BlockRun): boolean {
    return this.#leases.open.setAside(run);
  }

  /** See `OpenBlocks.put`. */
  put(run: BlockRun, cid?: string): void {
    this.#leases.open.put(run, cid);
  }

  /** What a member fetches from outside the swarm now. */
  leasesOf(id: string): readonly Lease<unknown>[] {
    const member = this.#members.get(id);
    return member ? this.#leases.of(member) : [];
  }

  /** A lease that a member holds. */
  lease(id: string, leaseId: number): Lease<unknown> | undefined {
    const member = this.#members.get(id);
    return member && this.#leases.of(member).find((lease) => lease.id === leaseId);
  }

  /** A node takes part; one that is known starts afresh. */
  join(newcomer: Newcomer, nowMs: number): MemberAdvice {
    this.leave(newcomer.id);
    const { id, zone, subnet, serves, held, node = id } = newcomer;
    const isBelieved = serves && !this.#held.isRefuted(node) && !this.#useless.has(node);
    const holds = isBelieved ? [...(newcomer.holds ?? [])] : [];
    const member: Member = {
      id,
      node,
      zone,
      place: placeOf(zone, subnet),
      serves,
      held,
      neighbours: new Set(),
      lastSeenMs: nowMs,
      deafMs: this.#deafMs,
      heartbeatMs: 0,
      gone: false,
      refused: new Set(),
      doubters: new Map(),
      heldBefore: holds,
      asks: holds.length > 0,
    };
    // Those who have lost their supernode together come within a second, and together hold the most.
    if (newcomer.fetching && this.#members.size === 0) this.#gathersUntilMs = nowMs + GATHER_MS;
    this.#members.set(id, member);
    if (serves) for (const run of newcomer.fetching ?? []) this.#leases.adopt(member, run, nowMs);
    for (const block of member.heldBefore) {
      const fetched = this.#leases.fetched(block);
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
    this.#noteLateness(this.#silenceMs(member, nowMs) - member.heartbeatMs);
    member.lastSeenMs = nowMs;
    member.deafMs = this.#deafMs;
    member.held = report.held;
    let failed = false;
    const news: number[] = [];
    for (const lease of report.leases) {
      news.push(...this.#noteDigests(member, lease, nowMs));
      const granted = this.lease(id, lease.id);
      const origin = granted?.origin;
      const before = granted?.done ?? 0;
      this.#leases.progress(member, lease.id, lease.done, nowMs, lease.partBytes);
      if (granted && granted.done > before)
        this.#onFetched(
          { first: granted.first + before, count: granted.done - before },
          granted.origin,
        );
      if (!lease.failed || !origin) continue;
      if (origin.kind === "peer") this.#leases.setAside(member, lease.id, nowMs);
      else {
        failed = true;
        if (origin.kind === "seed" && !member.refused.has("seed")) this.#seedRefusals += 1;
        member.refused.add(origin.kind);
      }
    }
    for (const { first, digests } of report.told ?? []) {
      for (const [index, digest] of digests.entries())
        news.push(...this.#learn(this.#held.tell(first + index, digest, member.node), nowMs));
    }
    news.push(...this.#news.splice(0));
    if (failed) this.#leases.release(member);
    for (const { block, from } of report.wrong ?? []) this.#noteWrong(member, block, from, nowMs);
    // What it has said may have shown that it lies itself.
    if (member.gone) return undefined;
    for (const other of report.slow ?? []) this.#noteSlow(member, other, nowMs);
    for (const other of report.dropped) this.#part(member, other, nowMs);
    const neighbours = this.#neighbourhood.replenish(member);
    this.#feed(member, report.starved, neighbours, nowMs);
    const advice = this.#advise(member, neighbours, report.wantsLeases, nowMs);
    return { ...advice, digests: digestRuns([...new Set(news)], this.#digests) };
  }

  /** A member is gone: its leases go to others, and nobody is sent to it any more. */
  leave(id: string): void {
    const member = this.#members.get(id);
    if (!member) return;
    member.gone = true;
    this.#members.delete(id);
    this.#leases.release(member);
    this.#neighbourhood.remove(member);
  }

  /**
   * Finds those who are silent. To be called a few times a second.
   *
   * @param deafMs for how long, since the last call, the supernode was too busy to hear anybody: then
   *   a node that is not heard of may have spoken all the same
   */
  expire(nowMs: number, deafMs = 0): void {
    this.#deafMs += deafMs;
    const slackMs = LATENESS_FACTOR * this.#latenessMs;
    const silenceMs = RUNNER_SILENCE_MS + slackMs;
    this.#leases.expire(nowMs, (holder) => this.#silenceMs(holder, nowMs) > silenceMs, slackMs);
    this.#news.push(...this.#learn(this.#held.overdue(nowMs), nowMs));
    for (const member of this.#members.values()) {
      const dueMs = Math.max(RUNNER_HEARTBEAT_MS, member.heartbeatMs);
      // First its leases go: a host that is out of breath for a moment would else lose all its nodes at
      // once, who would go to the source, each for itself.
      const goneMs = silenceMs + MISSED * dueMs;
      if (this.#silenceMs(member, nowMs) > goneMs) this.leave(member.id);
      else if (member.doubters.size > 0) this.#giveUpLate(member, nowMs);
    }
  }

  /** Where all are late, on hosts short of processor time say, one who is late is not dead. */
  #noteLateness(ms: number): void {
    const late = Math.min(MOST_LATENESS_MS, Math.max(0, ms));
    this.#latenessMs += (late - this.#latenessMs) * LATENESS_SMOOTHING;
  }

  #silenceMs(member: Member, nowMs: number): number {
    return nowMs - member.lastSeenMs - (this.#deafMs - member.deafMs);
  }

  #advise(member: Member, given: readonly Member[], wantsLeases: number, nowMs: number) {
    if (member.held < this.#blocks && nowMs >= this.#gathersUntilMs) {
      for (let wanted = wantsLeases; wanted > 0; wanted--) {
        const doubtful = () =>
          this.#digests.contestedFor(member.node, nowMs) ??
          this.#held.sampleFor(member.node, nowMs, this.#random);
        if (this.#leases.grantAgain(member, nowMs, doubtful)) continue;
        if (!this.#leases.grant(member, nowMs, member.refused)) break;
      }
    }
    const leases = this.#leases.of(member);
    member.heartbeatMs = this.#heartbeatMs(member, leases, wantsLeases > 0);
    return {
      neighbours: given.map((other) => ({ id: other.id, near: isNear(member, other) })),
      leases: leases.map(({ id, first, count, origin }) => ({ id, first, count, origin })),
      tell: this.#toTell(member, nowMs),
      heartbeatMs: member.heartbeatMs,
    };
  }

  #toTell(member: Member, nowMs: number): BlockRun[] {
    if (!member.asks) return [];
    const isKnown = (block: number) =>
      this.#digests.of(block) !== undefined || !this.#leases.wasHeldBefore(block);
    const runs = this.#held.ask(member.node, member.heldBefore, isKnown, TELL_AT_ONCE, nowMs);
    member.asks = runs.reduce((sum, { count }) => sum + count, 0) === TELL_AT_ONCE;
    return runs;
  }

  /**
   * What has come out about blocks that were held before the swarm began.
   *
   * @returns which blocks hash to what is news
   */
  #learn({ believed, refuted }: Belief, nowMs: number): number[] {
    const news: number[] = [];
    for (const { block, digest, by } of believed) {
      const told = this.#digests.report(block, digest, by, nowMs);
      if (told.news) news.push(block);
      for (const liar of told.liars) this.#ban(liar, nowMs);
    }
    for (const node of refuted) this.#disown(node, nowMs);
    return news;
  }

  /** What a node alone says that it held before is held by nobody: it goes to others who say so, or is fetched. */
  #disown(node: string, nowMs: number): void {
    const others = [...this.#members.values()].filter((member) => member.node !== node);
    for (const member of others) member.asks = member.heldBefore.length > 0;
    const orphans = new Set<number>();
    for (let block = 0; block < this.#blocks; block++) {
      if (this.#leases.wasHeldBefore(block) && this.#leases.fetched(block)?.by.node === node)
        orphans.add(block);
    }
    for (const other of others) {
      for (const block of other.heldBefore)
        if (orphans.delete(block)) this.#leases.hold(block, other, nowMs);
    }
    for (const block of orphans) this.#leases.again(block);
  }

  #heartbeatMs(member: Member, leases: readonly Lease<Member>[], wantsLeases: boolean): number {
    const waitingMs = Math.max(WAITING_HEARTBEAT_MS, WAITING_REPORT_MS * this.#members.size);
    // It waits for them as they do for it.
    if (leases.length > 0)
      return this.#leases.open.isHeldBack
        ? Math.min(waitingMs, RUNNER_HEARTBEAT_MS)
        : RUNNER_HEARTBEAT_MS;
    const comesMore = this.#leases.open.comesMore || this.#held.isOpen;
    if (wantsLeases && comesMore && waitingMs < HEARTBEAT_MS.least) return waitingMs;
    const usual =
      member.held === this.#blocks
        ? SEED_HEARTBEAT_MS
        : Math.min(
            HEARTBEAT_MS.most,
            Math.max(HEARTBEAT_MS.least, (this.#members.size / HEARTBEATS_PER_SECOND) * 1000),
          );
    // Those who came together should not report together.
    return Math.round(usual * (0.8 + 0.4 * this.#random()));
  }

  /** Which blocks hash to what is news, of those that a lease has brought. */
  #noteDigests(
    member: Member,
    { id, done, digests = [] }: MemberReport["leases"][number],
    nowMs: number,
  ): number[] {
    const lease = this.#leases.of(member).find((one) => one.id === id);
    const news: number[] = [];
    if (!lease) return news;
    // What a v1 client gave is its word, not that of the node that fetched it there.
    const { origin } = lease;
    const by = origin.kind === "peer" ? `v1 client ${origin.cid}` : member.node;
    for (const [index, digest] of digests.slice(0, Math.min(done, lease.count)).entries()) {
      const block = lease.first + index;
      const told = this.#digests.report(block, digest, by, nowMs);
      if (told.news) news.push(block);
      for (const liar of told.liars) this.#ban(liar, nowMs);
      news.push(...this.#learn(this.#held.fetched(block, digest, by), nowMs));
    }
    return news;
  }

  #noteWrong(member: Member, block: number, fromId: string, nowMs: number): void {
    const from = this.#members.get(fromId);
    if (!from || from === member || block >= this.#blocks) return;
    this.#digests.complain(block, from.node, member.node, nowMs);
    if (this.#bans.accuse(from.node, member.node, from.neighbours.size))
      this.#ban(from.node, nowMs);
  }

  /** Nobody waits for one whose blocks others tried to get in vain: they are leased anew. */
  #noteSlow(member: Member, otherId: string, nowMs: number): void {
    const other = this.#members.get(otherId);
    if (!other || other === member) return;
    if (!this.#useless.accuse(other.node, member.node, other.neighbours.size)) return;
    this.#useless.add(other.node);
    this.#disown(other.node, nowMs);
  }

  #ban(node: string, nowMs: number): void {
    this.#bans.add(node);
    this.#held.refute(node);
    this.#disown(node, nowMs);
    this.#digests.discredit(node);
    const ids = [...this.#members.values()].filter((member) => member.node === node);
    for (const { id } of ids) this.leave(id);
    this.#onLiar(
      node,
      ids.map(({ id }) => id),
    );
  }

  #part(member: Member, otherId: string, nowMs: number): void {
    const other = this.#members.get(otherId);
    if (!other) return;
    this.#neighbourhood.unlink(member, other);
    other.doubters.set(member.id, nowMs);
    this.#giveUpLate(other, nowMs);
  }

  /** Who reports in time is alive, whatever others say: on busy hosts neighbours drop each other. */
  #giveUpLate(member: Member, nowMs: number): void {
    if (!this.#isDoubted(member, nowMs)) return;
    const lateMs = this.#silenceMs(member, nowMs) - member.heartbeatMs;
    if (lateMs < DOUBTED_LATE_MS + LATENESS_FACTOR * this.#latenessMs) return;
    this.leave(member.id);
    this.#onGivenUp(member.node, member.id);
  }

  #isDoubted(member: Member, nowMs: number): boolean {
    const count = this.#countDoubters(member, nowMs);
    return count > 0 && (count >= DOUBTERS || member.neighbours.size === 0);
  }

  /** It may well report, but those who were sent to it do not find it. */
  #isUnreachable(member: Member, nowMs: number): boolean {
    if (this.#useless.has(member.node)) return true;
    const count = this.#countDoubters(member, nowMs);
    return count >= DOUBTERS && count >= member.neighbours.size;
  }

  #countDoubters({ doubters }: Member, nowMs: number): number {
    for (const [id, sinceMs] of doubters) if (nowMs - sinceMs > DOUBT_MS) doubters.delete(id);
    return doubters.size;
  }

  /** Leads a member to blocks that none of its neighbours has. */
  #feed(member: Member, starved: readonly number[], given: Member[], nowMs: number): void {
    for (const block of starved.slice(0, STARVED_PER_REPORT)) {
      const fetched = this.#leases.fetched(block);
      if (!fetched || nowMs - fetched.sinceMs < SPREADING_MS) continue;
      const { by } = fetched;
      if (by === member) {
        this.#leases.again(block);
      } else if (!by.gone && !this.#isUnreachable(by, nowMs)) {
        if (by.serves && this.#neighbourhood.link(member, by)) given.push(by);
      } else if (this.#isMissed(block, nowMs)) {
        this.#leases.again(block);
      }
    }
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
