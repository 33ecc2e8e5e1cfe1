import { describe, expect, it } from "vitest";
import fc from "../../tests/support/fast_check.ts";
import { BLOCK_BYTES, blockCount, blockLength, rangeRun, runRange } from "./blocks.ts";

describe("blocks", () => {
  it.each([
    [0, 0],
    [1, 1],
    [BLOCK_BYTES - 1, 1],
    [BLOCK_BYTES, 1],
    [BLOCK_BYTES + 1, 2],
    [1_500_000_000, 1431],
  ])("a file of %d bytes has %d", (length, count) => {
    expect(blockCount(length)).toBe(count);
  });

  it("cover the file, each but the last in full", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (length) => {
        const last = blockCount(length) - 1;
        expect(last * BLOCK_BYTES + blockLength(last, length)).toBe(length);
        expect(blockLength(last, length)).toBeGreaterThan(0);
        if (last > 0) expect(blockLength(0, length)).toBe(BLOCK_BYTES);
        expect(blockLength(last + 1, length)).toBe(0);
      }),
    );
  });
});

describe("a run", () => {
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
    ["begins within a block", 1, 2 * BLOCK_BYTES - 1],
    ["ends within a block", 0, BLOCK_BYTES],
    ["goes past the end", 0, 3 * BLOCK_BYTES],
  ])("is none where a range %s", (_what, start, end) => {
    expect(rangeRun({ start, end }, 2.5 * BLOCK_BYTES)).toBeUndefined();
  });
});
