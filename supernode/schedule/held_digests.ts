import type { BlockRun } from "../../protocol/swarm/blocks.ts";

/** Nodes that are asked what a block hashes to that they held before the swarm began. */
const WITNESSES = 2;
/** So many blocks that hash to the same at another node make one believed in all the others. */
const VOUCHED_BLOCKS = 3;
/** Milliseconds in which a node should tell what it was asked. */
const TELL_MS = 3000;
/** … and in which a second witness is waited for rather than that the source is asked. */
const WITNESS_MS = 1500;
/** Milliseconds after which a fetch that was asked for and did not come is asked of another. */
const FETCH_MS = 5000;
/** After so many fetches that did not come nobody can say otherwise. */
const MOST_TRIES = 3;

interface Claim {
  readonly by: string;
  readonly askedMs: number;
  /** Absent: not told yet. */
  digest?: string;
}

interface Holder {
  readonly claimed: Set<number>;
  /** Blocks that another node says the same of. */
  agreed: number;
  standing: "unknown" | "believed" | "refuted";
  sample?: { block: number; askedMs: number; tries: number };
}

/** What has come out. */
export interface Belief {
  /** What blocks hash to from now on, by whose word. */
  believed: readonly { block: number; digest: string; by: string }[];
  /** Nodes that are not believed to hold anything. */
  refuted: readonly string[];
}

const NOTHING: Belief = { believed: [], refuted: [] };

/**
 * What blocks hash to that nodes held before the swarm began, after a supernode's restart, say: nobody was seen to
 * fetch them. Each is asked of two nodes that hold it. Where they say the same that is believed; who is alone with
 * what he holds is believed after one block, chosen by chance, has been fetched from the source and compared; but only
 * once somebody waits for a seal: those who were in the swarm before have the seals of the supernode that is gone. So it
 * costs the source a block a node at most, and the supernode two digests a block, whatever the number of nodes.
 *
 * Nodes are named by where they are. Pure.
 */
export class HeldDigests {
  readonly #claims = new Map<number, Claim[]>();
  /** Claimed blocks of which somebody waits for what they hash to. */
  readonly #wanted = new Set<number>();
  readonly #holders = new Map<string, Holder>();

  /**
   * What a node is to tell now, of what it holds.
   *
   * @param isKnown whether it is known already what a block hashes to
   * @param most blocks at most
   */
  ask(
    node: string,
    holds: Iterable<number>,
    isKnown: (block: number) => boolean,
    most: number,
    nowMs: number,
  ): BlockRun[] {
    if (this.isRefuted(node)) return [];
    const runs: BlockRun[] = [];
    let left = most;
    for (const block of holds) {
      if (left === 0) break;
      if (isKnown(block)) continue;
      const claims = this.#claims.get(block) ?? [];
      if (claims.length >= WITNESSES || claims.some(({ by }) => by === node)) continue;
      claims.push({ by: node, askedMs: nowMs });
      this.#claims.set(block, claims);
      left -= 1;
      const last = runs.at(-1);
      if (last && last.first + last.count === block) last.count += 1;
      else runs.push({ first: block, count: 1 });
    }
    return runs;
  }

  /** A node says what a block hashes to that it was asked for. */
  tell(block: number, digest: string, by: string): Belief {
    const claims = this.#claims.get(block);
    const claim = claims?.find((one) => one.by === by);
    const holder = this.#holder(by);
    if (!claims || !claim || claim.digest !== undefined || holder.standing === "refuted")
      return NOTHING;
    claim.digest = digest;
    holder.claimed.add(block);
    const quarrels = claims.some((one) => one.digest !== undefined && one.digest !== digest);
    if (quarrels) this.#wanted.add(block);
    if (holder.standing === "believed") return this.#take(by, [block]);
    const other = claims.find((one) => one.by !== by && one.digest === digest);
    if (!other) return NOTHING;
    const both = [by, other.by];
    const believed = [...this.#take(by, [block]).believed, { block, digest, by: other.by }];
    for (const node of both) {
      const agreeing = this.#holder(node);
      agreeing.agreed += 1;
      if (agreeing.agreed < VOUCHED_BLOCKS || agreeing.standing !== "unknown") continue;
      believed.push(...this.believe(node).believed);
    }
    return { believed, refuted: [] };
  }

  /** Somebody waits for what a block hashes to: until then nothing is fetched for it. */
  want(block: number): void {
    if (this.#claims.has(block)) this.#wanted.add(block);
  }

  /**
   * A block for a node to fetch from the source, to see whether another tells the truth whose word is waited for.
   *
   * @param random uniform in [0, 1)
   */
  sampleFor(node: string, nowMs: number, random: () => number): number | undefined {
    for (const [by, holder] of this.#holders) {
      if (by === node || holder.standing !== "unknown" || !this.#isWaitedFor(holder)) continue;
      const { sample } = holder;
      if (sample && (nowMs - sample.askedMs < FETCH_MS || sample.tries >= MOST_TRIES)) continue;
      const block = this.#choose(holder, nowMs, random);
      if (block === undefined) continue;
      holder.sample = { block, askedMs: nowMs, tries: (sample?.tries ?? 0) + 1 };
      return block;
    }
    return undefined;
  }

  /** A node has fetched a block from the source. */
  fetched(block: number, digest: string, by: string): Belief {
    const believed: Belief["believed"][number][] = [];
    const refuted: string[] = [];
    for (const claim of [...(this.#claims.get(block) ?? [])]) {
      // What it says is known now: nobody need ask the source.
      if (claim.by === by) {
        this.#holder(by).claimed.delete(block);
        this.#forget(block, by);
      }
      const { standing } = this.#holder(claim.by);
      if (claim.by === by || claim.digest === undefined || standing === "refuted") continue;
      if (claim.digest === digest) {
        believed.push({ block, digest, by: claim.by }, ...this.believe(claim.by).believed);
      } else {
        believed.push({ block, digest: claim.digest, by: claim.by });
        this.refute(claim.by);
        refuted.push(claim.by);
      }
    }
    return { believed, refuted };
  }

  /** What a node has told, and will tell, counts. */
  believe(node: string): Belief {
    const holder = this.#holder(node);
    holder.standing = "believed";
    return this.#take(node, [...holder.claimed]);
  }

  /** Nothing that a node has told counts. */
  refute(node: string): void {
    const holder = this.#holder(node);
    holder.standing = "refuted";
    for (const block of holder.claimed) this.#forget(block, node);
    holder.claimed.clear();
  }

  /** Whether something is to come out soon that members wait for. */
  get isOpen(): boolean {
    return this.#wanted.size > 0;
  }

  isRefuted(node: string): boolean {
    return this.#holders.get(node)?.standing === "refuted";
  }

  /** Whether what a block hashes to may come out yet. */
  isPending(block: number): boolean {
    return this.#claims.has(block);
  }

  /** Who has not told in time, and whom nobody can gainsay. To be called now and then. */
  overdue(nowMs: number): Belief {
    const mute = new Set<string>();
    for (const claims of this.#claims.values()) {
      for (const { by, askedMs, digest } of claims)
        if (digest === undefined && nowMs - askedMs > TELL_MS) mute.add(by);
    }
    for (const node of mute) {
      this.refute(node);
      for (const block of [...this.#claims.keys()]) this.#forget(block, node);
    }
    const believed = [...this.#holders].flatMap(([node, { standing, sample }]) => {
      const isHopeless = sample && sample.tries >= MOST_TRIES && nowMs - sample.askedMs > FETCH_MS;
      return standing === "unknown" && isHopeless ? this.believe(node).believed : [];
    });
    return { believed, refuted: [...mute] };
  }

  #holder(node: string): Holder {
    let holder = this.#holders.get(node);
    if (!holder)
      this.#holders.set(node, (holder = { claimed: new Set(), agreed: 0, standing: "unknown" }));
    return holder;
  }

  /** A node's word for some blocks is taken: nobody need be asked any more. */
  #take(by: string, blocks: readonly number[]): Belief {
    const believed = [];
    for (const block of blocks) {
      const digest = this.#claims.get(block)?.find((claim) => claim.by === by)?.digest;
      if (digest === undefined) continue;
      believed.push({ block, digest, by });
      for (const claim of this.#claims.get(block)!) this.#holder(claim.by).claimed.delete(block);
      this.#claims.delete(block);
      this.#wanted.delete(block);
    }
    return { believed, refuted: [] };
  }

  #isWaitedFor({ claimed }: Holder): boolean {
    for (const block of this.#wanted) if (claimed.has(block)) return true;
    return false;
  }

  #forget(block: number, node: string): void {
    const rest = (this.#claims.get(block) ?? []).filter(({ by }) => by !== node);
    if (rest.length > 0) this.#claims.set(block, rest);
    else {
      this.#claims.delete(block);
      this.#wanted.delete(block);
    }
  }

  /** One that two quarrel about, or else any for which no second witness is to be waited for. */
  #choose({ claimed }: Holder, nowMs: number, random: () => number): number | undefined {
    const alone: number[] = [];
    for (const block of claimed) {
      const claims = this.#claims.get(block) ?? [];
      if (claims.filter(({ digest }) => digest !== undefined).length > 1) return block;
      const isWaitedFor = claims.some(
        ({ digest, askedMs }) => digest === undefined && nowMs - askedMs < WITNESS_MS,
      );
      if (!isWaitedFor) alone.push(block);
    }
    return alone[Math.floor(random() * alone.length)];
  }
}
