import { MAX_SEAL_BLOCKS } from "../../protocol/swarm/seal.ts";

/** What consecutive blocks hash to, as far as it is news. */
export interface DigestRun {
  /** Number of the first block. */
  first: number;
  /** Above 0 where other digests were told before. */
  version: number;
  /** sha256 of each block in base64. */
  digests: string[];
}

export interface ContestLimits {
  /** Blocks fetched anew over the life of a swarm at least, … */
  least: number;
  /** … or this part of the file, whichever is more: nobody can make us fetch without end. */
  part: number;
}

export const DEFAULT_CONTEST_LIMITS: ContestLimits = { least: 8, part: 0.02 };

/** Nodes that must have fetched the same bytes before they count against what another has said. */
const ENOUGH_VOTES = 2;
/** After so many different answers nobody knows. */
const MOST_VOTES = 4;
/** From so many nodes a block has come wrong before its digest is doubted: one of them may be bad. */
const WRONG_SENDERS = 2;
/** Milliseconds after which those who took part in a quarrel may fetch too: nobody else is there. */
const UNINVOLVED_MS = 1000;
/** Milliseconds after which a fetch that was asked for and did not come is asked of another. */
const FETCH_MS = 5000;

interface Vote {
  digest: string;
  by: string;
}

interface Contest {
  readonly sinceMs: number;
  askedMs: number;
  /** Nodes with a stake in it. */
  readonly involved: Set<string>;
}

interface BlockRecord {
  digest: string;
  version: number;
  readonly votes: Vote[];
  /** From whom it has come wrong. */
  wrongFrom?: Set<string>;
  /** Two nodes agree on it, or nobody will ever know. */
  settled: boolean;
}

/**
 * What each block of a file hashes to, as the node that fetched it from the source said first. A first
 * report is believed until there is cause for doubt: another node that fetched the block too says
 * otherwise, or the block comes wrong from the very node that reported it, or from several nodes. Then
 * nodes that have no part in the quarrel fetch it anew, until two agree. Who said otherwise is a liar.
 *
 * Nodes are named by where they are, not by the ids that they choose. Pure.
 */
export class BlockDigests {
  readonly #records: (BlockRecord | undefined)[];
  readonly #contests = new Map<number, Contest>();
  readonly #discredited = new Set<string>();
  readonly #mostFetches: number;
  #fetches = 0;

  /** @param blocks blocks of the file */
  constructor(blocks: number, limits: ContestLimits = DEFAULT_CONTEST_LIMITS) {
    this.#records = new Array(blocks);
    this.#mostFetches = Math.max(limits.least, Math.floor(limits.part * blocks));
  }

  /** What a block hashes to, in base64; `undefined` where nobody has said, or nobody knows. */
  of(block: number): string | undefined {
    return this.#records[block]?.digest || undefined;
  }

  version(block: number): number {
    return this.#records[block]?.version ?? 0;
  }

  /** Blocks that were fetched anew because of doubts. */
  get fetches(): number {
    return this.#fetches;
  }

  /**
   * A node has fetched a block from the source.
   *
   * @returns whether what the block hashes to is news, and who has been found to lie
   */
  report(
    block: number,
    digest: string,
    by: string,
    nowMs: number,
  ): { news: boolean; liars: string[] } {
    const record = this.#records[block];
    if (!record) {
      this.#records[block] = { digest, version: 0, votes: [{ digest, by }], settled: false };
      return { news: true, liars: [] };
    }
    const before = record.votes.find((vote) => vote.by === by);
    // Each node has one vote, the first.
    if (record.settled || before) return { news: false, liars: [] };
    record.votes.push({ digest, by });
    return this.#count(block, record, nowMs);
  }

  /**
   * A node says that a block came to it with another digest than it should have.
   *
   * @param from who sent it
   */
  complain(block: number, from: string, by: string, nowMs: number): void {
    const record = this.#records[block];
    if (!record || record.settled) return;
    const senders = (record.wrongFrom ??= new Set());
    senders.add(from);
    const isDoubtful =
      senders.size >= WRONG_SENDERS || record.votes.some((vote) => vote.by === from);
    if (isDoubtful) this.#contest(block, [from, by], nowMs);
  }

  /** The next block that a node should fetch because others quarrel over it. */
  contestedFor(node: string, nowMs: number): number | undefined {
    for (const [block, contest] of this.#contests) {
      if (nowMs - contest.askedMs < FETCH_MS) continue;
      const { votes } = this.#records[block]!;
      if (votes.some(({ by }) => by === node)) continue;
      if (contest.involved.has(node) && nowMs - contest.sinceMs < UNINVOLVED_MS) continue;
      if (this.#fetches >= this.#mostFetches) {
        this.#contests.clear();
        return undefined;
      }
      this.#fetches += 1;
      contest.askedMs = nowMs;
      return block;
    }
    return undefined;
  }

  /** A node is a liar: what it alone has said counts until somebody says otherwise. */
  discredit(node: string): void {
    this.#discredited.add(node);
  }

  #contest(block: number, involved: readonly string[], nowMs: number): void {
    let contest = this.#contests.get(block);
    if (!contest) {
      contest = { sinceMs: nowMs, askedMs: Number.NEGATIVE_INFINITY, involved: new Set() };
      this.#contests.set(block, contest);
    }
    for (const node of involved) contest.involved.add(node);
  }

  #count(block: number, record: BlockRecord, nowMs: number): { news: boolean; liars: string[] } {
    const { votes } = record;
    const honest = votes.filter(({ by }) => !this.#discredited.has(by));
    const winner = honest.find(
      ({ digest }) => honest.filter((vote) => vote.digest === digest).length >= ENOUGH_VOTES,
    );
    if (winner) {
      const liars = honest.filter(({ digest }) => digest !== winner.digest).map(({ by }) => by);
      return { news: this.#settle(block, record, winner.digest), liars };
    }
    // Only liars have said otherwise.
    if (honest.length === 1) {
      const news = this.#set(record, honest[0]!.digest);
      return { news, liars: [] };
    }
    if (votes.length >= MOST_VOTES) return { news: this.#settle(block, record, ""), liars: [] };
    this.#contest(
      block,
      votes.map(({ by }) => by),
      nowMs,
    );
    // Whoever voted last has answered: the next may be asked.
    this.#contests.get(block)!.askedMs = Number.NEGATIVE_INFINITY;
    return { news: false, liars: [] };
  }

  #settle(block: number, record: BlockRecord, digest: string): boolean {
    record.settled = true;
    this.#contests.delete(block);
    return this.#set(record, digest);
  }

  #set(record: BlockRecord, digest: string): boolean {
    if (record.digest === digest) return false;
    record.digest = digest;
    record.version += 1;
    return digest !== "";
  }
}

/** Gathers blocks that follow each other. */
export function digestRuns(blocks: readonly number[], digests: BlockDigests): DigestRun[] {
  const runs: DigestRun[] = [];
  for (const block of [...blocks].sort((a, b) => a - b)) {
    const version = digests.version(block);
    const last = runs.at(-1);
    const isFull = last?.digests.length === MAX_SEAL_BLOCKS;
    if (last && !isFull && last.version === version && last.first + last.digests.length === block)
      last.digests.push(digests.of(block)!);
    else runs.push({ first: block, version, digests: [digests.of(block)!] });
  }
  return runs;
}
