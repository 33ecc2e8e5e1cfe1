import { expect, it } from "vitest";
import { type Nodes, ReadAhead, readAheadBytes } from "./read_ahead.ts";

const MIB = 1024 * 1024;
const BLOCK_BYTES = MIB;
const never = new AbortController().signal;
const nobody = () => false;
/** Those who have so many bytes, and whose copy may be so many ahead. */
const nodes = (heldBytes: number, aheadBytes: number, isHeld: Nodes["isHeld"] = nobody): Nodes => ({
  ...{ blockBytes: BLOCK_BYTES, heldBytes, aheadBytes, isHeld },
});
const settle = () => new Promise((resolve) => setImmediate(resolve));

function watch(pass: Promise<unknown>) {
  const seen: { upTo?: unknown } = {};
  pass.then(
    (upTo) => (seen.upTo = upTo),
    () => {},
  );
  return seen;
}

it("holds a copy back until as much of it has left as is worth a request", async () => {
  const ahead = new ReadAhead();
  const pass = (offset: number) => ahead.pass("t", offset, never, nobody);
  expect(await pass(1e9)).toBe(Number.POSITIVE_INFINITY);
  ahead.pace("t", nodes(0, 100));
  ahead.copies.grown("t", 0);
  const copy = ahead.copies.follow("t")!;
  expect(await pass(0)).toBe(100);
  expect(await pass(50)).toBe(100);
  const waits = watch(pass(100));
  expect(await ahead.pass("other", 100, never, nobody)).toBe(Number.POSITIVE_INFINITY);
  ahead.pace("t", nodes(49, 100));
  await settle();
  expect(waits).toEqual({});
  copy.handedOut({ start: 49, end: 50 });
  await settle();
  // By the block's first byte on: what lies before it has left, too.
  expect(waits.upTo).toBe(199);
  const last = watch(pass(1000));
  ahead.release("t");
  await settle();
  expect(last.upTo).toBe(Number.POSITIVE_INFINITY);
});

it("counts what has left until a node says that it has the block, and then that word", async () => {
  const ahead = new ReadAhead();
  const upTo = (offset: number) => ahead.pass("t", offset, never, nobody);
  ahead.pace("t", nodes(0, MIB));
  ahead.copies.grown("t", 0);
  const copy = ahead.copies.follow("t")!;
  copy.handedOut({ start: 0, end: BLOCK_BYTES + 1000 });
  expect(await upTo(0)).toBe(MIB + BLOCK_BYTES + 1000);
  // Nobody has the block for certain, or twice.
  copy.handedOut({ start: 0, end: 1000 });
  expect(await upTo(0)).toBe(MIB + BLOCK_BYTES + 1000);
  ahead.pace(
    "t",
    nodes(BLOCK_BYTES, MIB, (block) => block === 0),
  );
  expect(await upTo(0)).toBe(MIB + BLOCK_BYTES + 1000);
});

it("holds nothing back that is wanted for its own sake, or that others wait for", async () => {
  const ahead = new ReadAhead();
  ahead.pace("t", nodes(0, 100));
  expect(await ahead.pass("t", 100, never, () => true)).toBe(Number.POSITIVE_INFINITY);
  let urgent = false;
  const waits = watch(ahead.pass("t", 100, never, () => urgent));
  urgent = true;
  ahead.pace("t", nodes(0, 100));
  await settle();
  expect(waits.upTo).toBe(Number.POSITIVE_INFINITY);
  const held = watch(ahead.pass("t", 100, never, nobody));
  ahead.free("t");
  await settle();
  expect(held.upTo).toBe(Number.POSITIVE_INFINITY);
  ahead.pace("t", nodes(0, 100));
  expect(await ahead.pass("t", 1000, never, nobody)).toBe(Number.POSITIVE_INFINITY);
});

it("ends with the download", async () => {
  const ahead = new ReadAhead();
  ahead.pace("t", nodes(0, 100));
  const abort = new AbortController();
  const pass = ahead.pass("t", 100, abort.signal, nobody);
  abort.abort(new Error("the task was removed"));
  await expect(pass).rejects.toThrow("the task was removed");
});

it("has those wait who ask for what is still to come", async () => {
  const ahead = new ReadAhead();
  expect(ahead.copies.bytes("t")).toBeUndefined();
  expect(ahead.copies.follow("t")).toBeUndefined();
  ahead.copies.grown("t", 10);
  const copy = ahead.copies.follow("t")!;
  const there = (byte: number, signal = never) => copy.there(byte, signal);
  expect(ahead.copies.bytes("t")).toBe(10);
  expect(await there(9)).toBe(10);
  const waits = watch(there(10));
  // A source that begins again sends what is here.
  ahead.copies.grown("t", 5);
  await settle();
  expect(waits).toEqual({});
  ahead.copies.grown("t", 11);
  await settle();
  expect(waits.upTo).toBe(11);
  const last = watch(there(11));
  const gone = new AbortController();
  const leaves = there(11, gone.signal);
  gone.abort(new Error("hung up"));
  await expect(leaves).rejects.toThrow("hung up");
  ahead.copies.ended("t");
  await settle();
  expect(last.upTo).toBe(Number.POSITIVE_INFINITY);
  expect(ahead.copies.follow("t")).toBeUndefined();
  ahead.copies.grown("t", 1);
  const broken = ahead.copies.follow("t")!;
  const fails = broken.there(1, never);
  ahead.copies.ended("t", new Error("the disk is full"));
  await expect(fails).rejects.toThrow("the disk is full");
  // What lies there may be of an earlier copy.
  await expect(broken.there(0, never)).rejects.toThrow("the disk is full");
});

it("is a small part of a file, but no less than half a megabyte", () => {
  expect(readAheadBytes({ length: 1000 * MIB })).toBe(40 * MIB);
  expect(readAheadBytes({ length: 4 * MIB })).toBe(MIB / 2);
});

it("lets no copy be read on while nobody knows whose the file is", async () => {
  let isOurs = false;
  const ahead = new ReadAhead(() => isOurs);
  const waits = watch(ahead.pass("t", 0, never, nobody));
  const given = new AbortController();
  const stopped = ahead.pass("t", 0, given.signal, nobody);
  given.abort(new Error("another has it"));
  await expect(stopped).rejects.toThrow();
  expect(waits).toEqual({});
  isOurs = true;
  await expect.poll(() => waits.upTo).toBe(Number.POSITIVE_INFINITY);
});
