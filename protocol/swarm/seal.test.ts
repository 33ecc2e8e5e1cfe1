import { generateKeyPairSync, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Bitmap } from "./bitmap.ts";
import { encodeHave, HaveDecoder } from "./have_stream.ts";
import {
  DIGEST_BYTES,
  isGenuine,
  MAX_SEAL_BLOCKS,
  sealKeyFromWire,
  sealKeyToWire,
  sealSchema,
  sealToWire,
  signDigests,
} from "./seal.ts";

const keys = generateKeyPairSync("ed25519");
const key = sealKeyFromWire(sealKeyToWire(keys.publicKey));
const digests = new Uint8Array(randomBytes(3 * DIGEST_BYTES));
const seal = signDigests(keys.privateKey, { first: 7, version: 1, digests });

describe("a seal", () => {
  it("is genuine after any number of hands, in JSON and in a have-stream", () => {
    expect(isGenuine(key, seal)).toBe(true);
    expect(isGenuine(key, sealSchema.parse(JSON.parse(JSON.stringify(sealToWire(seal)))))).toBe(
      true,
    );
    const load = { queueMs: 1, blockMs: 2 };
    const stream = Buffer.concat([
      encodeHave({ bitmap: new Bitmap(10), have: [], load }),
      encodeHave({ have: [], load, seal }),
      encodeHave({ have: [3], load }),
    ]);
    const [, told, delta] = new HaveDecoder(10).push(stream);
    expect(told).toEqual({ have: [], load, seal });
    expect(isGenuine(key, told!.seal!)).toBe(true);
    expect(delta!.have).toEqual([3]);
  });

  it.each([
    ["for other blocks", { first: 8 }],
    ["of another version", { version: 2 }],
    ["of other digests", { digests: new Uint8Array(digests.map((byte) => byte ^ 1)) }],
    ["of fewer digests", { digests: digests.subarray(DIGEST_BYTES) }],
    ["with another signature", { signature: new Uint8Array(64) }],
  ])("is not genuine %s", (_what, change) => {
    expect(isGenuine(key, { ...seal, ...change })).toBe(false);
  });

  it("of another file means nothing", () => {
    const other = generateKeyPairSync("ed25519").publicKey;
    expect(isGenuine(sealKeyFromWire(sealKeyToWire(other)), seal)).toBe(false);
  });

  it.each([
    ["no digests", { digests: "" }],
    ["half a digest", { digests: Buffer.alloc(40).toString("base64") }],
    ["too many", { digests: Buffer.alloc((MAX_SEAL_BLOCKS + 1) * 32).toString("base64") }],
    ["what is not base64", { digests: "%%%" }],
    ["a short signature", { signature: Buffer.alloc(63).toString("base64") }],
    ["a block before the first", { first: -1 }],
  ])("cannot have %s", (_what, change) => {
    expect(sealSchema.safeParse({ ...sealToWire(seal), ...change }).success).toBe(false);
  });

  it.each([
    ["before the bitmap", [seal], false],
    ["past the end of the file", [{ ...seal, first: 8 }], true],
    ["without digests", [{ ...seal, digests: new Uint8Array() }], true],
    ["with half a digest", [{ ...seal, digests: new Uint8Array(16) }], true],
  ])("is refused in a have-stream %s", (_what, seals, begun) => {
    const load = { queueMs: 0, blockMs: 0 };
    const decoder = new HaveDecoder(10);
    if (begun) decoder.push(encodeHave({ bitmap: new Bitmap(10), have: [], load }));
    expect(() =>
      decoder.push(Buffer.concat(seals.map((one) => encodeHave({ have: [], load, seal: one })))),
    ).toThrow(RangeError);
  });
});
