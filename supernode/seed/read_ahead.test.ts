import { expect, it } from "vitest";
import { ReadAhead, readAheadBytes } from "./read_ahead.ts";

const MIB = 1024 * 1024;
const never = new AbortController().signal;
const settle = () => new Promise((resolve) => setImmediate(resolve));

function watch(pass: Promise<void>) {
  const seen = { over: false };
  pass.then(
    () => (seen.over = true),
    () => {},
  );
  return seen;
}

it("holds a copy back until it may be read on", async () => {
  const ahead = new ReadAhead();
  const pass = (offset: number) => ahead.pass("t", offset, never, () => false);
  await pass(1e9);
  ahead.allow("t", 100);
  await pass(99);
  const waits = watch(pass(100));
  await ahead.pass("other", 100, never, () => false);
  ahead.allow("t", 100);
  await settle();
  expect(waits.over).toBe(false);
  ahead.allow("t", 101);
  await settle();
  expect(waits.over).toBe(true);
  const last = watch(pass(200));
  ahead.allow("t", Number.POSITIVE_INFINITY);
  await settle();
  expect(last.over).toBe(true);
});

it("holds nothing back that is wanted for its own sake, or that others wait for", async () => {
  const ahead = new ReadAhead();
  ahead.allow("t", 100);
  await ahead.pass("t", 100, never, () => true);
  let urgent = false;
  const waits = watch(ahead.pass("t", 100, never, () => urgent));
  urgent = true;
  ahead.allow("t", 100);
  await settle();
  expect(waits.over).toBe(true);
  const held = watch(ahead.pass("t", 100, never, () => false));
  ahead.free("t");
  await settle();
  expect(held.over).toBe(true);
  ahead.allow("t", 100);
  await ahead.pass("t", 1000, never, () => false);
});

it("ends with the download", async () => {
  const ahead = new ReadAhead();
  ahead.allow("t", 0);
  const abort = new AbortController();
  const pass = ahead.pass("t", 0, abort.signal, () => false);
  abort.abort(new Error("the task was removed"));
  await expect(pass).rejects.toThrow("the task was removed");
});

it("is a small part of a file, but never less than the piece that is to come", () => {
  expect(readAheadBytes({ length: 1000 * MIB, pieceSize: 12 * MIB })).toBe(40 * MIB);
  expect(readAheadBytes({ length: 60 * MIB, pieceSize: 4 * MIB })).toBe(5 * MIB);
});
