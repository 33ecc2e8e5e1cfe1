import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { frameHead, frameTail } from "../../protocol/piece_frame.ts";
import { contentSize } from "../../protocol/piece_range.ts";
import { sumOf } from "../../protocol/v1/piece_sum.ts";
import fc from "../../tests/support/fast_check.ts";
import { PieceCutter } from "./cut_pieces.ts";

const hex = (algorithm: string, bytes: Uint8Array) =>
  createHash(algorithm).update(bytes).digest("hex");

/** What the pieces of a file must be, computed the plain way. */
function expectedPieces(file: Uint8Array, pieceSize: number, framed: boolean): string[] {
  const size = contentSize({ pieceSize, framed, length: file.byteLength });
  const pieces: string[] = [];
  for (let at = 0; at === 0 || at < file.byteLength; at += size) {
    const content = file.subarray(at, at + size);
    const bytes = framed
      ? Buffer.concat([frameHead(content.byteLength, pieceSize), content, frameTail()])
      : content;
    pieces.push(sumOf(bytes, "sha256"));
  }
  return pieces;
}

describe("a piece cutter", () => {
  it.each([true, false])(
    "tells what there is of the next piece (framed %s), whatever comes after",
    (framed) => {
      const layout = { pieceSize: 40, framed, length: 100 };
      const size = contentSize(layout);
      const file = Uint8Array.from({ length: 100 }, (_, index) => index);
      const cutter = new PieceCutter(layout, { md5: false, sha256: false });
      expect([...cutter.push(file.subarray(0, size + 10))]).toHaveLength(1);
      const part = cutter.part();
      expect([...cutter.push(file.subarray(size + 10, size + 15))]).toEqual([]);
      expect(part).toMatchObject({ number: 1, end: size + 10 });
      expect([...part.bytes]).toEqual([...file.subarray(size, size + 10)]);
    },
  );

  it.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])("cuts any file in any chunks right (framed %s, length known %s)", (framed, known) => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1 }),
        fc.integer({ min: 6, max: 40 }),
        (file, steps, pieceSize) => {
          const layout = { pieceSize, framed, length: known ? file.byteLength : -1 };
          const cutter = new PieceCutter(layout, { md5: true, sha256: true });
          const cut: string[] = [];
          for (let at = 0, step = 0; at < file.byteLength; step++) {
            const end = at + steps[step % steps.length]!;
            for (const piece of cutter.push(file.subarray(at, end))) {
              expect(piece.number).toBe(cut.length);
              expect(piece.sum).toBe(sumOf(piece.bytes, "sha256"));
              cut.push(piece.sum);
              cutter.recycle(piece);
            }
            at = Math.min(end, file.byteLength);
          }
          const last = cutter.end();
          if (last) cut.push(last.sum);
          expect(cut).toEqual(expectedPieces(file, pieceSize, framed));
          expect(cutter.offset).toBe(file.byteLength);
          expect(cutter.md5()).toBe(hex("md5", file));
          expect(cutter.sha256()).toBe(hex("sha256", file));
        },
      ),
    );
  });

  it("takes in pieces that are there already", () => {
    const file = Uint8Array.from({ length: 100 }, (_, index) => index);
    const layout = { pieceSize: 35, framed: true, length: 100 };
    const cutter = new PieceCutter(layout, { md5: true, sha256: false });
    cutter.adopt(file.subarray(0, 30));
    cutter.adopt(file.subarray(30, 60));
    expect([...cutter.push(file.subarray(60))].map(({ number }) => number)).toEqual([2]);
    expect(cutter.end()).toMatchObject({ number: 3, sum: expectedPieces(file, 35, true)[3] });
    expect(cutter.md5()).toBe(hex("md5", file));
    expect(cutter.sha256()).toBe("");
  });

  it("begins again as if nothing had been", () => {
    const file = Uint8Array.from({ length: 50 }, (_, index) => index);
    const cutter = new PieceCutter(
      { pieceSize: 30, framed: false, length: 50 },
      {
        md5: true,
        sha256: false,
      },
    );
    for (const _ of cutter.push(file.subarray(7, 44)));
    cutter.restart();
    expect(cutter.offset).toBe(0);
    const cut = [...cutter.push(file), cutter.end()!].map(({ sum }) => sum);
    expect(cut).toEqual(expectedPieces(file, 30, false));
    expect(cutter.md5()).toBe(hex("md5", file));
  });
});
