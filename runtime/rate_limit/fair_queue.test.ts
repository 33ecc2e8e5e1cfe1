import { describe, expect, it } from "vitest";
import { FairQueue } from "./fair_queue.ts";

describe("FairQueue", () => {
  it("gives each share the same bytes, whatever they have waiting", () => {
    const queue = new FairQueue<() => void>();
    const had = [0, 0, 0];
    const sizes = [1, 5, 40];
    const shares = sizes.map(() => queue.share());
    // One at a time, ten at a time, a hundred at a time; small items and large ones.
    const wait = (index: number) => {
      queue.add(shares[index]!, sizes[index]!, () => {
        had[index]! += sizes[index]!;
        wait(index);
      });
    };
    for (const [index, connections] of [1, 10, 100].entries()) {
      for (let each = 0; each < connections; each++) wait(index);
    }
    for (let turn = 0; turn < 20_000; turn++) queue.next()!();
    const [a, b, c] = had as [number, number, number];
    expect(Math.max(a, b, c) - Math.min(a, b, c)).toBeLessThanOrEqual(40);
    expect(a).toBeGreaterThan(10_000);
  });

  it("hands a share's own items out in their order", () => {
    const queue = new FairQueue<number>();
    const share = queue.share();
    for (const item of [1, 2, 3]) queue.add(share, 10 - item, item);
    expect([queue.next(), queue.next(), queue.next(), queue.next()]).toEqual([1, 2, 3, undefined]);
    expect(queue.empty).toBe(true);
  });

  it("does not make good for all the time in which a share wanted nothing", () => {
    const queue = new FairQueue<string>();
    const [busy, idle] = [queue.share(), queue.share()];
    for (let turn = 0; turn < 100; turn++) {
      queue.add(busy, 10, "busy");
      queue.next();
    }
    for (let turn = 0; turn < 10; turn++) {
      queue.add(busy, 10, "busy");
      queue.add(idle, 10, "idle", 30);
    }
    const order = Array.from({ length: 10 }, () => queue.next());
    // 30 bytes before the others for what it has fallen behind, and then by turns.
    expect(order.slice(0, 4)).toEqual(["idle", "idle", "idle", "idle"]);
    expect(order.slice(4).filter((item) => item === "idle")).toHaveLength(3);
  });

  it("lets pass only who has had less than those that wait", () => {
    const queue = new FairQueue<string>();
    const [a, b] = [queue.share(), queue.share()];
    queue.add(a, 10, "a");
    queue.next();
    queue.add(a, 10, "a");
    expect(queue.pass(b, 10)).toBe(true);
    expect(queue.pass(b, 10)).toBe(true);
    expect(queue.pass(b, 10)).toBe(false);
    expect(queue.pass(a, 10)).toBe(false);
  });
});
