import { expect, it } from "vitest";
import { EarlyBytes } from "./early_bytes.ts";

/** What a reader can have of a block from `offset` on. */
function read(early: EarlyBytes, block: number, offset = 0): string {
  const target = Buffer.alloc(early.filled(block) - offset);
  early.readInto(target, block, offset);
  return target.toString();
}

it("keeps what comes of a block that is wanted, though the buffer that it came in is used again", () => {
  const early = new EarlyBytes();
  early.want(3);
  const buffer = Buffer.from("abcdef");
  expect(early.offer(3, buffer.subarray(0, 2))).toBe(true);
  expect(early.offer(3, buffer.subarray(0, 5))).toBe(true);
  buffer.fill("x");
  expect(read(early, 3)).toBe("abcde");
  expect(read(early, 3, 3)).toBe("de");
});

it("keeps nothing of others, nor what it has already", () => {
  const early = new EarlyBytes();
  early.want(3);
  expect(early.offer(4, Buffer.from("ab"))).toBe(false);
  expect(early.filled(4)).toBe(0);
  early.offer(3, Buffer.from("abc"));
  expect(early.offer(3, Buffer.from("xy"))).toBe(false);
  early.want(3);
  expect(read(early, 3)).toBe("abc");
});

it.each([
  ["nothing", "", "abcdef", true],
  ["its beginning", "abc", "abcdef", true],
  ["all of it", "abcdef", "abcdef", true],
  ["something else", "abX", "abcdef", false],
  ["more than it has", "abcdefg", "abcdef", false],
])("says of a block whether readers had %s of it", (_what, had, whole, isRight) => {
  const early = new EarlyBytes();
  early.want(0);
  if (had) early.offer(0, Buffer.from(had));
  early.compare(0, Buffer.from(whole));
  expect(early.settle(0)).toBe(isRight);
  expect(early.filled(0)).toBe(0);
});

it("goes by the block that was found right, not by a wrong one before it", () => {
  const early = new EarlyBytes();
  early.want(0);
  early.offer(0, Buffer.from("abc"));
  early.compare(0, Buffer.from("XXXXXX"));
  expect(early.offer(0, Buffer.from("abcd"))).toBe(false);
  early.compare(0, Buffer.from("abcdef"));
  expect(early.settle(0)).toBe(true);
});

it("takes nothing of a block that is whole but not proven for who begins to read it then: nobody would compare it", () => {
  const early = new EarlyBytes();
  early.compare(0, Buffer.from("abcdef"));
  early.want(0);
  expect(early.offer(0, Buffer.from("abX"))).toBe(false);
  expect(early.filled(0)).toBe(0);
  expect(early.settle(0)).toBe(true);
});
