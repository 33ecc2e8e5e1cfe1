import type { DigestsAnswer } from "../../protocol/swarm/messages.ts";
import { MAX_DIGESTS_ASKED } from "../../protocol/swarm/messages.ts";
import type { Seal } from "../../protocol/swarm/seal.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { TaskFile } from "../store/task_file.ts";
import { KnownDigests } from "./known_digests.ts";
import type { Standing } from "./standing.ts";

/** After so long the supernode is asked for the seal of a block, ms; it is not asked more often. */
const UNSEALED_ASK_MS = 300;
/** … but less and less often where the supernode has none, at last every so many ms. */
const UNSEALED_ASK_MOST_MS = 3000;
/** After so long what nobody seals is taken from one against whom nothing speaks, ms. */
const UNSEALED_LENIENT_MS = 2000;
/** After so long an unsealed block of one who is not trusted is fetched elsewhere, ms. */
const UNSEALED_MOST_MS = 5000;
/**
 * Who has sent so many blocks that were right by their seals, and none that was wrong, is trusted with
 * what nobody seals: a file that was in its cache before the swarm began. The digest of the whole file
 * is what then remains.
 */
const TRUSTED_BLOCKS = 2;

export interface ProofOptions {
  file: Pick<TaskFile, "has" | "withholdPiece">;
  /** What the file is called in logs. */
  fileName: string;
  /** How a node has kept its word. */
  standing(id: string): Standing;
  /** Asks the supernode for seals. */
  ask(blocks: number[]): Promise<DigestsAnswer>;
  /** A block that lay here unsealed is as it should be. */
  onConfirmed(block: number): void;
  /** A block that passed for right is wrong. */
  onLost(block: number): void;
  /** A block must come from elsewhere; where `lacking` is told, not from that neighbour. */
  onUseless(block: number, lacking?: string): void;
  /** What was given up of a neighbour was right: the block can be had there after all. */
  onRedeemed(id: string, block: number): void;
  /** What a node sent has turned out wrong. */
  onWrong(id: string, block: number): void;
  /** A node's standing has changed. */
  onStanding(id: string): void;
}

interface Unsealed {
  readonly from: string;
  readonly sinceMs: number;
  /** Whether the supernode has no seal of it. */
  unknown: boolean;
}

const log = getLogger("dfclient");

/**
 * Which of the blocks on this node are proven, by the supernode's seals. What neighbours send waits for its
 * seal before it is handed on, and not for ever: who has it from before the swarm cannot have it sealed.
 */
export class BlockProofs {
  /** What blocks should hash to. */
  readonly digests: KnownDigests;
  readonly #options: ProofOptions;
  /** What those hash to that are here. */
  readonly #hashes: (Uint8Array | undefined)[] = [];
  /** Blocks that lie on disk but wait for their seal. */
  readonly #unsealed = new Map<number, Unsealed>();
  /** What blocks that were given up hashed to, and who sent them: their seals may come yet. */
  readonly #givenUp = new Map<number, { from: string; hash: Uint8Array }>();
  /** Blocks that this node has fetched from the source itself. */
  readonly #fromSource = new Set<number>();
  #asking = false;
  #askedMs = 0;
  #askEveryMs = UNSEALED_ASK_MS;

  /** @param blocks blocks of the file */
  constructor(blocks: number, options: ProofOptions) {
    this.digests = new KnownDigests(blocks);
    this.#options = options;
  }

  /** Whether a block that hashes to `digest` contradicts its seal. */
  contradicts(block: number, digest: Uint8Array): boolean {
    return this.digests.knows(block) && !this.digests.matches(block, digest);
  }

  /** Whether a block that does not contradict its seal may be used at once. */
  needsNoSeal(block: number): boolean {
    return this.digests.knows(block) || !this.digests.expected;
  }

  /**
   * A neighbour's block is being written.
   *
   * @param unproven who sent it, where it may be used only with its seal: {@link stage} follows
   */
  received(block: number, digest: Uint8Array, unproven?: string): void {
    this.#hashes[block] = digest;
    if (unproven !== undefined) this.#options.standing(unproven).waiting += 1;
  }

  /** A node has sent a block that is here already, and nobody knows yet what it should be. */
  receivedAgain(block: number, digest: Uint8Array, from: string): void {
    const hash = this.#hashes[block];
    if (hash && Buffer.compare(hash, digest) === 0) return;
    this.#options.standing(from).unsettled += 1;
    this.#options.onStanding(from);
  }

  /** A neighbour's block lies here now, but may be used only with its seal. */
  stage(block: number, digest: Uint8Array, from: string): void {
    // It was fetched from the source, too, while this one was written.
    if (this.#options.file.has(block)) {
      this.#decide(from, block, Buffer.compare(this.#hashes[block]!, digest) === 0);
      return;
    }
    this.#unsealed.set(block, { from, sinceMs: performance.now(), unknown: false });
    // It may have come while the block was written.
    if (this.digests.knows(block)) this.#judge(block);
  }

  /** A block has come from the source itself, and is about to be written. */
  fetched(block: number, digest: Uint8Array): void {
    const before = this.#hashes[block];
    const isSame = before !== undefined && Buffer.compare(before, digest) === 0;
    const unsealed = this.#unsealed.get(block);
    if (unsealed) {
      this.#unsealed.delete(block);
      this.#decide(unsealed.from, block, isSame);
    }
    // It was fetched because others doubt it, and what is here turns out wrong.
    if (this.#options.file.has(block) && before && !isSame) this.#options.onLost(block);
    this.#fromSource.add(block);
    this.#hashes[block] = digest;
  }

  learn(seal: Seal): void {
    for (const block of this.digests.learn(seal)) {
      this.#judgeLate(block);
      if (this.#unsealed.has(block)) this.#judge(block);
      else if (this.#options.file.has(block)) this.compare(block);
    }
  }

  /** A block that is kept already is sealed, or sealed anew. */
  compare(block: number): void {
    const { file, fileName } = this.#options;
    const hash = this.#hashes[block];
    if (!hash || this.digests.matches(block, hash)) return;
    if (this.#fromSource.has(block) && this.digests.version(block) === 0) {
      // Somebody who fetched it too says otherwise. We believe the source; others may not yet.
      file.withholdPiece(block);
      return;
    }
    log.warn("{name}: block {block} is not what it should be; fetching it again", {
      name: fileName,
      block,
    });
    this.#fromSource.delete(block);
    this.#options.onLost(block);
    this.#options.onUseless(block);
  }

  /** Nothing of what a neighbour sent is believed any more. */
  giveUpFrom(id: string): void {
    for (const [block, { from }] of this.#unsealed) if (from === id) this.#giveUp(block, from);
  }

  /**
   * Sees to blocks without a seal. To be called several times a second.
   *
   * @param alone whether there is no supernode
   */
  lookAfter(nowMs: number, alone: boolean): void {
    const overdue: number[] = [];
    for (const [block, { from, sinceMs, unknown }] of this.#unsealed) {
      const waitedMs = nowMs - sinceMs;
      const { right, wrong } = this.#options.standing(from);
      const isTrusted = wrong === 0 && right >= TRUSTED_BLOCKS;
      if (isTrusted && (unknown || alone || waitedMs > UNSEALED_MOST_MS)) {
        this.#believe(block, from);
      } else if (unknown && waitedMs > UNSEALED_LENIENT_MS && wrong === 0) {
        this.#believe(block, from);
      } else if (waitedMs > UNSEALED_MOST_MS) {
        this.#giveUp(block, from);
      } else if (waitedMs > UNSEALED_ASK_MS) {
        overdue.push(block);
      }
    }
    if (!alone && overdue.length > 0 && nowMs - this.#askedMs >= this.#askEveryMs)
      this.#ask(overdue.slice(0, MAX_DIGESTS_ASKED), nowMs);
  }

  /** A block that came unsealed has its seal now. */
  #judge(block: number): void {
    const { from } = this.#unsealed.get(block)!;
    const isRight = this.digests.matches(block, this.#hashes[block]!);
    this.#unsealed.delete(block);
    if (isRight) this.#options.onConfirmed(block);
    else this.#options.onUseless(block);
    this.#decide(from, block, isRight);
  }

  /** A block that was given up has its seal now. */
  #judgeLate(block: number): void {
    const givenUp = this.#givenUp.get(block);
    if (!givenUp) return;
    this.#givenUp.delete(block);
    const { from, hash } = givenUp;
    const isRight = this.digests.matches(block, hash);
    this.#options.standing(from).settleLate(isRight);
    // Nobody else may have it: a supernode that was frozen, or its successor, seals all of them late.
    if (isRight) this.#options.onRedeemed(from, block);
    else this.#options.onWrong(from, block);
    this.#options.onStanding(from);
  }

  #decide(from: string, block: number, isRight: boolean): void {
    const standing = this.#options.standing(from);
    if (isRight) standing.settle(true);
    else {
      standing.disprove();
      this.#options.onWrong(from, block);
    }
    this.#options.onStanding(from);
  }

  /** Nobody can say whether the block is right, and nothing speaks against its sender. */
  #believe(block: number, from: string): void {
    this.#unsealed.delete(block);
    this.#options.standing(from).settle(false);
    this.#options.onConfirmed(block);
    this.#options.onStanding(from);
  }

  #giveUp(block: number, from: string): void {
    this.#unsealed.delete(block);
    this.#givenUp.set(block, { from, hash: this.#hashes[block]! });
    this.#options.standing(from).giveUp();
    this.#options.onUseless(block, from);
    this.#options.onStanding(from);
  }

  #ask(blocks: number[], nowMs: number): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#askedMs = nowMs;
    this.#options
      .ask(blocks)
      .then(({ seals, unknown }) => {
        for (const seal of seals) this.learn(seal);
        for (const block of unknown) {
          const unsealed = this.#unsealed.get(block);
          if (unsealed) unsealed.unknown = true;
        }
        this.#askEveryMs =
          seals.length > 0 ? UNSEALED_ASK_MS : Math.min(UNSEALED_ASK_MOST_MS, this.#askEveryMs * 2);
      })
      // The next heartbeat shows whether the supernode is there.
      .catch(() => {})
      .finally(() => {
        this.#asking = false;
      });
  }
}
