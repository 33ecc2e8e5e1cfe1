import { expect, test } from "vitest";
import { contentBuffers } from "./content_buffers.ts";

const MIB = 1024 * 1024;

test.each([
  ["a block of a small file", MIB / 4],
  ["the last block of one", MIB / 4 - 5],
  ["a block of a file that is not quite small", MIB / 2],
  ["a block", MIB],
  ["a piece", 12 * MIB],
  ["a piece that is not a whole number of blocks", 4 * MIB - 5],
])("%s is used again, once it has been given back, and only once", (_name, bytes) => {
  const first = contentBuffers.take(bytes);
  expect(first.byteLength).toBe(bytes);
  expect(contentBuffers.take(bytes).buffer, "it is in use").not.toBe(first.buffer);
  contentBuffers.give(first.subarray(5));
  contentBuffers.give(first);
  expect(contentBuffers.take(bytes).buffer).toBe(first.buffer);
  expect(contentBuffers.take(bytes).buffer).not.toBe(first.buffer);
});

test("what is not from here is let go", () => {
  contentBuffers.give(new Uint8Array(12 * MIB));
  contentBuffers.give(new Uint8Array(10));
  expect(contentBuffers.take(10).byteLength).toBe(10);
});
