import { expect, it } from "vitest";
import { isIntact, parsePieceSum, sumOf } from "./piece_sum.ts";

const BYTES = new TextEncoder().encode("a piece");
const MD5 = "ec9a8ab4fcb0b3c08e3ee7bc06e3e0b1";

it.each(["md5", "sha256"] as const)("knows a piece again by its %s", (algorithm) => {
  const sum = sumOf(BYTES, algorithm);
  expect(parsePieceSum(sum)).toMatchObject({ algorithm, length: 7 });
  expect(isIntact(BYTES, sum)).toBe(true);
  expect(isIntact(BYTES.subarray(1), sum)).toBe(false);
  expect(isIntact(Uint8Array.of(...BYTES, 0), sum)).toBe(false);
});

it("reads the digits of a digest in any case", () => {
  expect(parsePieceSum(`${MD5.toUpperCase()}:7`)).toEqual({
    algorithm: "md5",
    hex: MD5,
    length: 7,
  });
});

it.each(["", MD5, `${MD5}:`, `${MD5}:-1`, `${MD5.slice(1)}:7`, `${MD5}0:7`, `x${MD5}:7`])(
  "takes %j for no sum, and no bytes for those of it",
  (text) => {
    expect(parsePieceSum(text)).toBeUndefined();
    expect(isIntact(BYTES, text)).toBe(false);
  },
);
