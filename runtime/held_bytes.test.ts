import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import { HeldBytes } from "./held_bytes.ts";

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
