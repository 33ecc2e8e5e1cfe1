import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Feed, MOST_VIEWERS } from "./feed.ts";
import type { ConsoleView, Point } from "./messages.ts";

let builds = 0;
let rate = 0;
const points: Point[] = [];
const build = () => {
  builds += 1;
  const files = { a: { rate } };
  return {
    ...{ supernode: {}, totals: {}, files, nodes: {}, preheats: {}, problems: {} },
  } as unknown as ConsoleView;
};
const history = { after: (ms = 0) => points.filter(([atMs]) => atMs > ms) };

beforeEach(() => {
  vi.useFakeTimers();
  builds = 0;
  rate = 0;
  points.length = 0;
});
afterEach(() => vi.useRealTimers());

const feed = () => new Feed({ build, history, now: () => 7 });

async function next(reader: ReadableStreamDefaultReader<Uint8Array>) {
  const { value, done } = await reader.read();
  if (done) return undefined;
  const [, name, data] =
    /^event: (.*)\ndata: (.*)\n\n$/.exec(new TextDecoder().decode(value)) ?? [];
  return { name, data: JSON.parse(data ?? "") };
}

test("a viewer gets all, then what changes, and nothing while nothing does", async () => {
  points.push([1, 0, 0]);
  const reader = feed().open()!.getReader();
  expect(await next(reader)).toMatchObject({
    name: "view",
    data: { nowMs: 7, view: { files: { a: { rate: 0 } } }, history: [[1, 0, 0]] },
  });
  await vi.advanceTimersByTimeAsync(3000);
  rate = 5;
  points.push([2, 10, 1]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await next(reader)).toEqual({
    name: "change",
    data: { nowMs: 7, change: { files: { a: { rate: 5 } } }, history: [[2, 10, 1]] },
  });
  await reader.cancel();
});

test("many viewers cost one look a second, none costs nothing", async () => {
  const shared = feed();
  const readers = Array.from({ length: 5 }, () => shared.open()!.getReader());
  await vi.advanceTimersByTimeAsync(4000);
  expect(builds).toBeGreaterThan(2);
  expect(builds).toBeLessThanOrEqual(5);
  await Promise.all(readers.map((reader) => reader.cancel()));
  expect(shared.viewers).toBe(0);
  const before = builds;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(builds).toBe(before);
});

test("so many viewers and no more; one who goes makes room", async () => {
  const full = feed();
  const readers = Array.from({ length: MOST_VIEWERS }, () => full.open()!.getReader());
  expect(full.open()).toBeUndefined();
  await readers[0]!.cancel();
  expect(full.open()).toBeDefined();
  full.close();
  expect(full.viewers).toBe(0);
});

test("one who does not read is let go, and costs no memory without bounds", async () => {
  const long = "9".repeat(300_000);
  const timer = setInterval(() => {
    rate += 1;
  }, 500);
  const big = new Feed({
    build: () => ({ ...build(), problems: { p: { text: long + rate } } }) as never,
    history,
    now: () => 7,
  });
  const stuck = big.open()!.getReader();
  await vi.advanceTimersByTimeAsync(60_000);
  clearInterval(timer);
  expect(big.viewers).toBe(0);
  let bytes = 0;
  for (let read = await stuck.read(); !read.done; read = await stuck.read())
    bytes += read.value.byteLength;
  expect(bytes).toBeLessThan(3_000_000);
});

test("closing ends the streams", async () => {
  const ending = feed();
  const reader = ending.open()!.getReader();
  await next(reader);
  ending.close();
  expect(await next(reader)).toBeUndefined();
});
