import { describe, expect, it } from "vitest";
import fc from "../../tests/support/fast_check.ts";
import { Bitmap } from "./bitmap.ts";
import { encodeHave, HaveDecoder, type HaveMessage, MAX_LOAD_MS } from "./have_stream.ts";

const BLOCKS = 70;
const IDLE = { queueMs: 0, blockMs: 0 };

function bitmapOf(blocks: readonly number[]): Bitmap {
  const bitmap = new Bitmap(BLOCKS);
  for (const block of blocks) bitmap.add(block);
  return bitmap;
}

const blocks = fc.uniqueArray(fc.nat(BLOCKS - 1));
const load = fc.record({
  queueMs: fc.nat(65_535).map((tenths) => tenths / 10),
  blockMs: fc.nat(65_535).map((tenths) => tenths / 10),
});
const stream = fc.record({
  first: blocks,
  later: fc.array(fc.record({ have: blocks, load })),
  /** Where the network cuts it. */
  cuts: fc.array(fc.nat(2000)),
});

describe("a have-stream", () => {
  it("says the same however it is cut", () => {
    fc.assert(
      fc.property(stream, ({ first, later, cuts }) => {
        const messages: HaveMessage[] = [
          { bitmap: bitmapOf(first), have: [], load: IDLE },
          ...later,
        ];
        const bytes = Buffer.concat(messages.map(encodeHave));
        const decoder = new HaveDecoder(BLOCKS);
        const heard: HaveMessage[] = [];
        const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort(
          (a, b) => a - b,
        );
        let from = 0;
        for (const to of [...ends, bytes.length]) {
          heard.push(...decoder.push(bytes.subarray(from, to)));
          from = to;
        }
        expect([...heard[0]!.bitmap!]).toEqual(first.sort((a, b) => a - b));
        expect(heard.slice(1)).toEqual(later);
      }),
    );
  });

  it("caps a load that it cannot express", () => {
    const [message] = new HaveDecoder(BLOCKS).push(
      encodeHave({ bitmap: bitmapOf([]), have: [], load: { queueMs: 1e6, blockMs: -1 } }),
    );
    expect(message!.load).toEqual({ queueMs: MAX_LOAD_MS, blockMs: 0 });
  });

  const delta = (have: number[]) => encodeHave({ have, load: IDLE });
  const map = (size = BLOCKS) => encodeHave({ bitmap: new Bitmap(size), have: [], load: IDLE });
  it.each<[string, Uint8Array[]]>([
    ["a delta before the bitmap", [delta([1])]],
    ["a second bitmap", [map(), map()]],
    ["a bitmap of another file", [map(200)]],
    ["a block that the file does not have", [map(), delta([BLOCKS])]],
    ["another kind of frame", [Uint8Array.of(9, 0, 0, 0, 4, 0, 0, 0, 0)]],
    ["a frame longer than any can be", [map(), Uint8Array.of(2, 0xff, 0xff, 0xff, 0xfc)]],
    ["a frame that ends within a number", [map(), Uint8Array.of(2, 0, 0, 0, 5)]],
    ["an answer in HTML", [new TextEncoder().encode("<html><body>404</body></html>")]],
  ])("refuses %s", (_what, frames) => {
    expect(() => new HaveDecoder(BLOCKS).push(Buffer.concat(frames))).toThrow(RangeError);
  });
});
