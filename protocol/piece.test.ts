import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import fc from "../tests/support/fast_check.ts";
import { BadFrameError, frameHead, frameTail, unframe } from "./piece_frame.ts";
import {
  contentSize,
  parseRange,
  pieceContent,
  pieceCount,
  pieceNumber,
  wireRange,
} from "./piece_range.ts";
import { pieceSize } from "./piece_size.ts";

const MIB = 1024 * 1024;

function frame(content: Uint8Array, size: number): Uint8Array {
  return Buffer.concat([frameHead(content.byteLength, size), content, frameTail()]);
}

describe("pieceSize", () => {
  it.each([
    [-1, 4],
    [0, 4],
    [200 * MIB, 4],
    [200 * MIB + 1, 4],
    [299 * MIB, 4],
    [300 * MIB, 5],
    [314572800, 5],
    [1024 * MIB, 12],
    [1300 * MIB, 15],
    [1400 * MIB, 15],
    [100 * 1024 * MIB, 15],
  ])("of a file of %d bytes is %d MiB", (length, mib) => {
    expect(pieceSize(length)).toBe(mib * MIB);
  });
});

describe("frame", () => {
  it("has the head and the md5 that v1 gives an empty file", () => {
    const framed = frame(new Uint8Array(), 4 * MIB);
    expect(Buffer.from(framed).toString("hex")).toBe("040000007f");
    expect(createHash("md5").update(framed).digest("hex")).toBe("d6991051769098273e82477afd2bb93e");
  });

  it.each([
    [4 * MIB - 5, 4 * MIB, "043ffffb"],
    [1611402, 4 * MIB, "0418968a"],
    [6, 4 * MIB, "04000006"],
  ])("of %d bytes begins as v1's does", (length, size, head) => {
    expect(Buffer.from(frameHead(length, size)).toString("hex")).toBe(head);
  });

  it("gives back what went in", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(4, 5, 15), (content, mib) => {
        expect(Buffer.from(unframe(frame(content, mib * MIB), mib * MIB))).toEqual(
          Buffer.from(content),
        );
      }),
    );
  });

  it.each([
    ["too short", Uint8Array.of(4, 0, 0, 0)],
    ["another length in its head", Uint8Array.of(4, 0, 0, 2, 9, 0x7f)],
    ["another piece size in its head", Uint8Array.of(5, 0, 0, 1, 9, 0x7f)],
    ["another tail", Uint8Array.of(4, 0, 0, 1, 9, 0x7e)],
  ])("that is %s is refused", (_what, framed) => {
    expect(() => unframe(framed, 4 * MIB)).toThrow(BadFrameError);
  });
});

describe("piece ranges", () => {
  it.each([
    ["0-4194303", { start: 0, end: 4194303 }],
    ["5-5", { start: 5, end: 5 }],
    ["5-2", undefined],
    ["", undefined],
    ["-3", undefined],
    ["1-2-3", undefined],
    ["a-b", undefined],
    ["99999999999999999999-1", undefined],
  ])("parseRange(%j)", (text, range) => {
    expect(parseRange(text)).toEqual(range);
  });

  it("name whole pieces on the wire, the last one too", () => {
    expect(wireRange(2, 4194304)).toEqual({ start: 8388608, end: 12582911 });
    expect(pieceNumber({ start: 8388608, end: 9999999 }, 4194304)).toBe(2);
    expect(pieceNumber({ start: 8388609, end: 9999999 }, 4194304)).toBeUndefined();
  });

  it.each([
    [10_000_000, true, 3, 1_611_402],
    [10_000_000, false, 3, 1_611_392],
    [4_194_299, true, 1, 4_194_299],
    [4_194_304, true, 2, 5],
    [4_194_304, false, 1, 4_194_304],
    [4_194_305, true, 2, 6],
    [4_194_305, false, 2, 1],
    [0, true, 1, 0],
  ])("lay out %d bytes, framed %s, in %d pieces", (length, framed, count, last) => {
    const layout = { pieceSize: 4194304, framed, length };
    expect(pieceCount(layout)).toBe(count);
    expect(pieceContent(count - 1, layout)).toEqual({
      offset: (count - 1) * contentSize(layout),
      length: last,
    });
  });

  it("cover every byte exactly once", () => {
    fc.assert(
      fc.property(fc.nat({ max: 1e9 }), fc.boolean(), (length, framed) => {
        const layout = { pieceSize: pieceSize(length), framed, length };
        let next = 0;
        for (let piece = 0; piece < pieceCount(layout); piece++) {
          const content = pieceContent(piece, layout);
          expect(content.offset).toBe(next);
          next += content.length;
        }
        expect(next).toBe(length);
      }),
    );
  });
});
