import { expect, test, vi } from "vitest";
import { BufferPool } from "./buffer_pool.ts";

test("a buffer given back is taken again, whole or shorter", () => {
  const pool = new BufferPool(1000, 2);
  const first = pool.take(1000);
  first[999] = 7;
  pool.give(first);
  const again = pool.take(900);
  expect(again.buffer).toBe(first.buffer);
  expect(again.byteLength).toBe(900);
});

test("nobody shares a buffer: not after it was given twice, nor while it is out", () => {
  const pool = new BufferPool(1000, 5);
  const first = pool.take(1000);
  pool.give(first);
  pool.give(first);
  const taken = [pool.take(1000), pool.take(1000), pool.take(1000)];
  expect(new Set(taken.map(({ buffer }) => buffer)).size).toBe(3);
});

test("other sizes, and buffers of others, are none of its", () => {
  const pool = new BufferPool(1000, 5);
  expect(pool.take(1001).byteLength).toBe(1001);
  const small = pool.take(3);
  expect(small.byteLength).toBe(3);
  const foreign = new Uint8Array(1000);
  pool.give(foreign);
  pool.give(small);
  expect(pool.take(1000).buffer).not.toBe(foreign.buffer);
});

test("no more are kept than it may", () => {
  const pool = new BufferPool(1000, 1);
  const [first, second] = [pool.take(1000), pool.take(1000)];
  pool.give(first);
  pool.give(second);
  const [again, other] = [pool.take(1000), pool.take(1000)];
  expect(again.buffer).toBe(first.buffer);
  expect(other.buffer).not.toBe(second.buffer);
});

test("what nobody uses for some seconds is let go, and not before", () => {
  vi.useFakeTimers();
  try {
    const pool = new BufferPool(1000, 2);
    const first = pool.take(1000);
    pool.give(first);
    vi.advanceTimersByTime(4000);
    pool.give(pool.take(1000));
    vi.advanceTimersByTime(4000);
    expect(pool.take(1000).buffer).toBe(first.buffer);
    pool.give(first);
    vi.advanceTimersByTime(5000);
    expect(pool.take(1000).buffer).not.toBe(first.buffer);
  } finally {
    vi.useRealTimers();
  }
});
