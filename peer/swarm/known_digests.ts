import type { KeyObject } from "node:crypto";
import {
  DIGEST_BYTES,
  isGenuine,
  type Seal,
  sealBlocks,
  sealKeyFromWire,
} from "../../protocol/swarm/seal.ts";

/** Keys that are believed at most: one of each supernode that has taken us in. */
const MOST_KEYS = 8;

/**
 * What a node knows of the digests of a file's blocks: only what a supernode has sealed, whoever brought
 * it. A seal is checked once, the copies of it that other neighbours bring are not looked at.
 */
export class KnownDigests {
  /** All seals in the order in which they came, to be handed on. */
  readonly log: Seal[] = [];
  readonly #keys = new Map<string, KeyObject>();
  readonly #digests: Uint8Array;
  /** -1 where nothing is known. */
  readonly #versions: Int32Array;

  /** @param blocks blocks of the file */
  constructor(blocks: number) {
    this.#digests = new Uint8Array(blocks * DIGEST_BYTES);
    this.#versions = new Int32Array(blocks).fill(-1);
  }

  /** A supernode says how to tell its seals; what is no key is passed over. */
  trust(key: string | undefined): void {
    if (key === undefined || this.#keys.has(key) || this.#keys.size >= MOST_KEYS) return;
    try {
      this.#keys.set(key, sealKeyFromWire(key));
    } catch {
      // As if it sealed nothing.
    }
  }

  /** Whether seals can be expected at all. */
  get expected(): boolean {
    return this.#keys.size > 0;
  }

  knows(block: number): boolean {
    return this.#versions[block]! >= 0;
  }

  /** 0, or more where another digest was sealed before. */
  version(block: number): number {
    return this.#versions[block]!;
  }

  matches(block: number, digest: Uint8Array): boolean {
    const from = block * DIGEST_BYTES;
    return Buffer.compare(this.#digests.subarray(from, from + DIGEST_BYTES), digest) === 0;
  }

  /**
   * Takes note of a seal, if it is genuine.
   *
   * @returns the blocks of which it says something new
   */
  learn(seal: Seal): number[] {
    const { first, version, digests } = seal;
    const count = sealBlocks(digests.length);
    if (first + count > this.#versions.length) return [];
    const news: number[] = [];
    for (let block = first; block < first + count; block++) {
      if (version > this.#versions[block]!) news.push(block);
    }
    if (news.length === 0 || ![...this.#keys.values()].some((key) => isGenuine(key, seal)))
      return [];
    for (const block of news) {
      const at = (block - first) * DIGEST_BYTES;
      this.#digests.set(digests.subarray(at, at + DIGEST_BYTES), block * DIGEST_BYTES);
      this.#versions[block] = version;
    }
    this.log.push(seal);
    return news;
  }
}
