import { describe, expect, it } from "vitest";
import fc from "../../tests/support/fast_check.ts";
import { Bitmap, countBits, lowestBit } from "./bitmap.ts";

/** A size, and some of its blocks. */
const someBlocks = fc
  .integer({ min: 1, max: 300 })
  .chain((size) => fc.tuple(fc.constant(size), fc.uniqueArray(fc.nat(size - 1))));

function bitmapOf(size: number, blocks: readonly number[]): Bitmap {
  const bitmap = new Bitmap(size);
  for (const block of blocks) bitmap.add(block);
  return bitmap;
}

describe("Bitmap", () => {
  it("holds what was added and not deleted, in order", () => {
    fc.assert(
      fc.property(someBlocks, fc.array(fc.nat(300)), ([size, blocks], gone) => {
        const bitmap = bitmapOf(size, blocks);
        for (const block of gone) bitmap.delete(block);
        const left = blocks.filter((block) => !gone.includes(block)).sort((a, b) => a - b);
        expect([...bitmap]).toEqual(left);
        expect(bitmap.count).toBe(left.length);
        expect(bitmap.complete).toBe(left.length === size);
      }),
    );
  });

  it("is the same after a journey as bytes, and in JSON", () => {
    fc.assert(
      fc.property(someBlocks, ([size, blocks]) => {
        const bitmap = bitmapOf(size, blocks);
        for (const copy of [
          Bitmap.fromBytes(bitmap.toBytes(), size),
          Bitmap.fromBase64(bitmap.toBase64(), size),
        ]) {
          expect([...copy]).toEqual([...bitmap]);
          expect(copy.count).toBe(bitmap.count);
        }
      }),
    );
  });

  it("has block b in bit b % 8 of byte b / 8", () => {
    expect([...bitmapOf(20, [0, 9, 19]).toBytes()]).toEqual([0b1, 0b10, 0b1000]);
  });

  it("says whether an addition is news, and refuses blocks that are not there", () => {
    const bitmap = new Bitmap(10);
    expect(bitmap.add(3)).toBe(true);
    expect(bitmap.add(3)).toBe(false);
    for (const block of [-1, 10, Number.NaN]) expect(() => bitmap.add(block)).toThrow(RangeError);
  });

  it.each([
    ["too few bytes", new Uint8Array(1)],
    ["too many bytes", new Uint8Array(3)],
    ["a block past the end", Uint8Array.of(0, 0b100)],
  ])("refuses %s", (_what, bytes) => {
    expect(() => Bitmap.fromBytes(bytes, 10)).toThrow(RangeError);
  });

  it("refuses what is not base64", () => {
    expect(() => Bitmap.fromBase64("§", 10)).toThrow(RangeError);
  });
});

it("counts and finds bits in any word", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 32 - 1 }), (word) => {
      const bits = word.toString(2);
      expect(countBits(word)).toBe(bits.replaceAll("0", "").length);
      expect(lowestBit(word)).toBe(bits.length - 1 - bits.lastIndexOf("1"));
    }),
  );
});
