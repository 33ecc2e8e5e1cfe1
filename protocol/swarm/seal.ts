import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import * as z from "zod";

/** Bytes of a sha256. */
export const DIGEST_BYTES = 32;
/** Bytes of an Ed25519 signature. */
export const SIGNATURE_BYTES = 64;
/** Blocks that one seal covers at most. */
export const MAX_SEAL_BLOCKS = 256;

/** What the signature begins with, so that it means nothing anywhere else. */
const PURPOSE = new TextEncoder().encode("dragonfly block digests 1\n");
const NUMBERS = 8;

/**
 * What consecutive blocks hash to, signed by the supernode. Whoever has it may hand it on: it is as good
 * as the supernode's own word, and costs the supernode no request.
 */
export interface Seal {
  /** Number of the first block. */
  first: number;
  /** Above 0 where an earlier digest has been found wrong: of two seals of a block the higher counts. */
  version: number;
  /** sha256 of each block, one after the other. */
  digests: Uint8Array;
  /** Ed25519, 64 bytes. */
  signature: Uint8Array;
}

const base64 = z.base64().transform((text) => new Uint8Array(Buffer.from(text, "base64")));

/** A seal in JSON. */
export const sealSchema = z.object({
  first: z.number().int().nonnegative(),
  version: z.number().int().nonnegative(),
  digests: base64.refine(
    ({ length }) =>
      length > 0 && length % DIGEST_BYTES === 0 && sealBlocks(length) <= MAX_SEAL_BLOCKS,
    "not the digests of blocks",
  ),
  signature: base64.refine(({ length }) => length === SIGNATURE_BYTES, "not a signature"),
});
export type WireSeal = z.input<typeof sealSchema>;

/** How many blocks so many bytes of digests are of. */
export function sealBlocks(digestBytes: number): number {
  return digestBytes / DIGEST_BYTES;
}

export function sealToWire({ first, version, digests, signature }: Seal): WireSeal {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return { first, version, digests: text(digests), signature: text(signature) };
}

/** Signs digests with a swarm's private key. */
export function signDigests(key: KeyObject, digests: Omit<Seal, "signature">): Seal {
  return { ...digests, signature: new Uint8Array(sign(null, signedBytes(digests), key)) };
}

/** Whether a seal was made with the private half of this key. */
export function isGenuine(key: KeyObject, seal: Seal): boolean {
  return verify(null, signedBytes(seal), key, seal.signature);
}

/** The public half of a swarm's key as nodes are told it: 32 bytes in base64url. */
export function sealKeyToWire(key: KeyObject): string {
  return key.export({ format: "jwk" }).x!;
}

/**
 * Reads what {@link sealKeyToWire} wrote.
 *
 * @throws where it is no such key
 */
export function sealKeyFromWire(x: string): KeyObject {
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}

function signedBytes({ first, version, digests }: Omit<Seal, "signature">): Uint8Array {
  const bytes = new Uint8Array(PURPOSE.length + NUMBERS + digests.length);
  bytes.set(PURPOSE);
  const view = new DataView(bytes.buffer, PURPOSE.length);
  view.setUint32(0, first);
  view.setUint32(4, version);
  bytes.set(digests, PURPOSE.length + NUMBERS);
  return bytes;
}
