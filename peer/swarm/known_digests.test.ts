import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { sealKeyToWire, signDigests } from "../../protocol/swarm/seal.ts";
import { sha256 } from "../store/sha256.ts";
import { KnownDigests } from "./known_digests.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const digest = (text: string) => new Uint8Array(createHash("sha256").update(text).digest());
const sealOf = (first: number, texts: string[], version = 0, key = privateKey) =>
  signDigests(key, { first, version, digests: new Uint8Array(Buffer.concat(texts.map(digest))) });

function known() {
  const digests = new KnownDigests(10);
  digests.trust(sealKeyToWire(publicKey));
  return digests;
}

describe("what a node knows of digests", () => {
  it("is what is sealed, by whoever brought it, and is handed on once", () => {
    const digests = known();
    expect(digests.expected).toBe(true);
    expect(digests.learn(sealOf(2, ["two", "three"]))).toEqual([2, 3]);
    expect(digests.learn(sealOf(2, ["two", "three"]))).toEqual([]);
    expect(digests.matches(3, digest("three"))).toBe(true);
    expect(digests.matches(3, digest("two"))).toBe(false);
    expect([1, 2, 3, 4].map((block) => digests.knows(block))).toEqual([false, true, true, false]);
    expect(digests.log).toHaveLength(1);
  });

  it("does not come from forgers, nor of blocks that are not there", () => {
    const digests = known();
    const forger = generateKeyPairSync("ed25519").privateKey;
    expect(digests.learn(sealOf(2, ["two"], 0, forger))).toEqual([]);
    expect(digests.learn(sealOf(9, ["nine", "ten"]))).toEqual([]);
    expect(digests.log).toEqual([]);
  });

  it("changes only by a later version", () => {
    const digests = known();
    digests.learn(sealOf(2, ["old", "three"]));
    expect(digests.learn(sealOf(2, ["new"], 1))).toEqual([2]);
    expect(digests.learn(sealOf(2, ["old", "three"]))).toEqual([]);
    expect(digests.matches(2, digest("new"))).toBe(true);
    expect(digests.version(2)).toBe(1);
  });

  it("is nothing where the supernode seals nothing, or gives no key that can be read", () => {
    const digests = new KnownDigests(10);
    digests.trust(undefined);
    digests.trust("nonsense");
    expect(digests.expected).toBe(false);
    expect(digests.learn(sealOf(2, ["two"]))).toEqual([]);
  });
});

it("a block's hash is its sha256", async () => {
  const bytes = new TextEncoder().encode("abc");
  expect(await sha256(bytes)).toEqual(digest("abc"));
});
