import { generateKeyPairSync } from "node:crypto";
import {
  DIGEST_BYTES,
  type Seal,
  sealBlocks,
  sealKeyToWire,
  signDigests,
} from "../../protocol/swarm/seal.ts";
import type { DigestRun } from "../schedule/block_digests.ts";

/**
 * Seals what the blocks of one file hash to, and keeps the seals. Each file has a key of its own: a seal
 * cannot be passed off as another file's. Signing takes 40 µs, for all blocks of a lease together.
 */
export class Sealer {
  readonly #keys = generateKeyPairSync("ed25519");
  /** The latest seal of each block. */
  readonly #seals: (Seal | undefined)[] = [];

  /** What nodes tell our seals from others by. */
  readonly key = sealKeyToWire(this.#keys.publicKey);

  seal({ first, version, digests }: DigestRun): Seal {
    const bytes = new Uint8Array(digests.length * DIGEST_BYTES);
    for (const [index, digest] of digests.entries())
      bytes.set(Buffer.from(digest, "base64").subarray(0, DIGEST_BYTES), index * DIGEST_BYTES);
    const seal = signDigests(this.#keys.privateKey, { first, version, digests: bytes });
    for (let block = 0; block < sealBlocks(bytes.length); block++)
      this.#seals[first + block] = seal;
    return seal;
  }

  /** The seals of some blocks, as far as there are any. */
  of(blocks: readonly number[]): Seal[] {
    const seals = new Set<Seal>();
    for (const block of blocks) {
      const seal = this.#seals[block];
      if (seal) seals.add(seal);
    }
    return [...seals];
  }
}
