import { describe, expect, it } from "vitest";
import fc from "../../tests/support/fast_check.ts";
import { blockBytes, blockCount, blockLength, rangeRun, runRange } from "./blocks.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

describe("blocks", () => {
  it.each([
    [0, 0, 256 * KIB],
    [1, 1, 256 * KIB],
    [256 * KIB - 1, 1, 256 * KIB],
    [256 * KIB, 1, 256 * KIB],
    [256 * KIB + 1, 2, 256 * KIB],
    [32 * MIB - 1, 128, 256 * KIB],
    [32 * MIB, 64, 512 * KIB],
    [128 * MIB - 1, 256, 512 * KIB],
    [128 * MIB, 128, MIB],
    [1_500_000_000, 1431, MIB],
  ])("a file of %d bytes has %d of %d bytes", (length, count, bytes) => {
    expect([blockCount(length), blockBytes(length)]).toEqual([count, bytes]);
  });

  it("cover the file, each but the last in full", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (length) => {
        const bytes = blockBytes(length);
        const last = blockCount(length) - 1;
        expect(last * bytes + blockLength(last, length)).toBe(length);
        expect(blockLength(last, length)).toBeGreaterThan(0);
        if (last > 0) expect(blockLength(0, length)).toBe(bytes);
        expect(blockLength(last + 1, length)).toBe(0);
      }),
    );
  });
});

describe("a run", () => {
  const BLOCK = 256 * KIB;
  it("is found again from its byte range", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 34 }),
        fc.nat(),
        fc.nat(),
        (length, someFirst, someCount) => {
          const first = someFirst % blockCount(length);
          const count = 1 + (someCount % (blockCount(length) - first));
          expect(rangeRun(runRange({ first, count }, length), length)).toEqual({ first, count });
        },
      ),
    );
  });

  it.each([
    ["begins within a block", 1, 2 * BLOCK - 1],
    ["ends within a block", 0, BLOCK],
    ["goes past the end", 0, 3 * BLOCK],
  ])("is none where a range %s", (_what, start, end) => {
    expect(rangeRun({ start, end }, 2.5 * BLOCK)).toBeUndefined();
  });
});
