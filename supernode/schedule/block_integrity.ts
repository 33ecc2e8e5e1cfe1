import type { BlockRun } from "../../protocol/swarm/blocks.ts";
import { Bans } from "./bans.ts";
import { BlockDigests, type DigestRun, digestRuns } from "./block_digests.ts";
import { type Belief, HeldDigests } from "./held_digests.ts";
import type { Member, MemberReport } from "./member.ts";
import type { SourceLeases } from "./source_leases.ts";

/** Blocks of which a member is asked at once what they hash to. */
const TELL_AT_ONCE = 1024;
/** A node is accused of bringing nothing: for so long, ms, others may be about to say so, too. */
const ACCUSED_MS = 1500;

export interface BlockIntegrityParts {
  /** Blocks of the file. */
  blocks: number;
  members: ReadonlyMap<string, Member>;
  leases: SourceLeases<Member>;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Told of each node that is found to hand out, or to report, wrong blocks. */
  onBanned: (node: string) => void;
}

/**
 * What the blocks of one task's file hash to, by all that its members say, and who of them lies: those who fetch tell
 * the digest of each block, those who held some before are asked ({@link HeldDigests}), and those who are sent wrong
 * ones, or none, complain. Nodes are named by where they are. Pure.
 */
export class BlockIntegrity {
  readonly #parts: BlockIntegrityParts;
  readonly #digests: BlockDigests;
  readonly #held = new HeldDigests();
  readonly #bans = new Bans();
  /** Nodes that others could get no block from: what they say to hold is to be had elsewhere. */
  readonly #useless = new Bans(1);
  #accusedUntilMs = 0;
  /** Blocks of which it has come out what they hash to, while nobody was told. */
  readonly #news = new Set<number>();

  constructor(parts: BlockIntegrityParts) {
    this.#parts = parts;
    this.#digests = new BlockDigests(parts.blocks);
  }

  /** Whether a node is used no more. */
  isBanned(node: string): boolean {
    return this.#bans.has(node);
  }

  /** Whether a node's word for what it held before counts for nothing. */
  isRefuted(node: string): boolean {
    return this.#held.isRefuted(node) || this.isUseless(node);
  }

  /** Whether others could get no block from a node. */
  isUseless(node: string): boolean {
    return this.#useless.has(node);
  }

  /** Whether something is to come out soon that members wait for. */
  isOpen(nowMs: number): boolean {
    return this.#held.isOpen || nowMs < this.#accusedUntilMs;
  }

  /** A member waits for what a block hashes to: whether somebody has told, or will. */
  asked(block: number): boolean {
    if (this.#digests.of(block) !== undefined) return true;
    this.#held.want(block);
    if (this.#held.isPending(block)) return true;
    return !this.#parts.leases.fetched.wasHeldBefore(block);
  }

  /** A block that is here, and that a node should fetch from the source all the same, since there is doubt about it. */
  doubtfulFor({ node }: Member, nowMs: number): number | undefined {
    return (
      this.#digests.contestedFor(node, nowMs) ??
      this.#held.sampleFor(node, nowMs, this.#parts.random)
    );
  }

  /** Blocks of which a member is to tell what they hash to. */
  toTell(member: Member, nowMs: number): BlockRun[] {
    if (!member.asks) return [];
    const isKnown = (block: number) =>
      this.#digests.of(block) !== undefined || !this.#parts.leases.fetched.wasHeldBefore(block);
    const runs = this.#held.ask(member.node, member.heldBefore, isKnown, TELL_AT_ONCE, nowMs);
    member.asks = runs.reduce((sum, { count }) => sum + count, 0) === TELL_AT_ONCE;
    return runs;
  }

  /** What is news since it was last asked: to be sealed. */
  takeNews(): DigestRun[] {
    const runs = digestRuns([...this.#news], this.#digests);
    this.#news.clear();
    return runs;
  }

  /** A member says how far it has come with a lease, before that is noted there. */
  fetched(member: Member, progress: MemberReport["leases"][number], nowMs: number): void {
    const { id, done, digests = [] } = progress;
    const lease = this.#parts.leases.of(member).find((one) => one.id === id);
    if (!lease) return;
    // What a v1 client gave is its word, not that of the node that fetched it there.
    const { origin } = lease;
    const by = origin.kind === "peer" ? `v1 client ${origin.cid}` : member.node;
    for (const [index, digest] of digests.slice(0, Math.min(done, lease.count)).entries()) {
      const block = lease.first + index;
      this.#note(block, digest, by, nowMs);
      this.#learn(this.#held.fetched(block, digest, by), nowMs);
    }
  }

  /** A member tells what it was asked for ({@link toTell}). */
  told(member: Member, told: MemberReport["told"], nowMs: number): void {
    for (const { first, digests } of told ?? []) {
      for (const [index, digest] of digests.entries())
        this.#learn(this.#held.tell(first + index, digest, member.node), nowMs);
    }
  }

  /** A member says that another has sent it a wrong block. */
  accused(member: Member, block: number, fromId: string, nowMs: number): void {
    const { members, blocks } = this.#parts;
    const from = members.get(fromId);
    if (!from || from === member || block >= blocks) return;
    this.#digests.complain(block, from.node, member.node, nowMs);
    if (this.#bans.accuse(from.node, member.node, from.neighbours.size))
      this.#ban(from.node, nowMs);
  }

  /**
   * A member waits for blocks that only those have who say that they could send them at once, and do not. What nobody
   * was seen to fetch is only said to be there: a little of it at a time is leased anew, whether they are found out in
   * the end or were slow for a moment.
   */
  owed(member: Member, blocks: MemberReport["owed"], nowMs: number): void {
    const { leases } = this.#parts;
    for (const block of blocks ?? []) {
      if (!leases.fetched.wasHeldBefore(block) || leases.fetched.of(block)?.by === member) continue;
      this.#accusedUntilMs = nowMs + ACCUSED_MS;
      leases.again(block);
    }
  }

  /** A member could get no block from another: nobody waits for one of whom that is known, and its blocks are leased anew. */
  slow(member: Member, otherId: string, nowMs: number): void {
    const other = this.#parts.members.get(otherId);
    if (!other || other === member) return;
    this.#accusedUntilMs = nowMs + ACCUSED_MS;
    if (!this.#useless.accuse(other.node, member.node, other.neighbours.size)) return;
    this.#useless.add(other.node);
    this.#disown(other.node, nowMs);
  }

  /** Sees to those who have not told in time. To be called a few times a second. */
  expire(nowMs: number): void {
    this.#learn(this.#held.overdue(nowMs), nowMs);
  }

  #note(block: number, digest: string, by: string, nowMs: number): void {
    const { news, liars } = this.#digests.report(block, digest, by, nowMs);
    if (news) this.#news.add(block);
    for (const liar of liars) this.#ban(liar, nowMs);
  }

  /** What has come out about blocks that were held before the swarm began. */
  #learn({ believed, refuted }: Belief, nowMs: number): void {
    for (const { block, digest, by } of believed) this.#note(block, digest, by, nowMs);
    for (const node of refuted) this.#disown(node, nowMs);
  }

  /** What a node alone says that it held before is held by nobody: it goes to others who say so, or is fetched. */
  #disown(node: string, nowMs: number): void {
    const { members, leases, blocks } = this.#parts;
    const others = [...members.values()].filter((member) => member.node !== node);
    for (const member of others) member.asks = member.heldBefore.length > 0;
    const orphans = new Set<number>();
    for (let block = 0; block < blocks; block++) {
      if (leases.fetched.wasHeldBefore(block) && leases.fetched.of(block)?.by.node === node)
        orphans.add(block);
    }
    for (const other of others) {
      for (const block of other.heldBefore)
        if (orphans.delete(block)) leases.hold(block, other, nowMs);
    }
    for (const block of orphans) leases.again(block);
  }

  #ban(node: string, nowMs: number): void {
    this.#bans.add(node);
    this.#held.refute(node);
    this.#disown(node, nowMs);
    this.#digests.discredit(node);
    this.#parts.onBanned(node);
  }
}
