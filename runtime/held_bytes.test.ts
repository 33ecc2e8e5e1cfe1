import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import { CROWDED_BYTES, HeldBytes } from "./held_bytes.ts";

it("has room for so much at once, and again when an answer has ended", () => {
  const held = new HeldBytes(10);
  const [one, two] = [new EventEmitter(), new EventEmitter()];
  expect(held.take(6, one)).toBe(true);
  expect(held.take(5, two)).toBe(false);
  expect(held.take(4, two)).toBe(true);
  one.emit("close");
  expect(held.take(7, one)).toBe(false);
  expect(held.take(6, one)).toBe(true);
});

it("has little read at once for an answer where others hold the room", () => {
  const held = new HeldBytes(1_000_000);
  const [one, two] = [new EventEmitter(), new EventEmitter()];
  expect(held.chunk(600_000, one)).toBe(600_000);
  expect(held.chunk(600_000, two)).toBe(CROWDED_BYTES);
  one.emit("close");
  expect(held.chunk(600_000, two)).toBe(600_000);
});
