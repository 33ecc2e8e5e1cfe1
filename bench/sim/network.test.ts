import { expect, it } from "vitest";
import { EventQueue } from "./event_queue.ts";
import { Kind } from "./kinds.ts";
import { Network } from "./network.ts";

/** Four nodes in two racks, 100 bytes a ms each way. */
function network(thinLine?: number) {
  const queue = new EventQueue();
  const lines = new Network(
    queue,
    {
      up: Float64Array.of(100, 100, 100, 100),
      down: Float64Array.of(100, 100, 100, 100),
      rack: Int32Array.of(0, 0, 1, 1),
      latencyMs: { inRack: 0.5, across: 1 },
      thinLine,
    },
    10,
  );
  /** Runs to the end; gives which block came when. */
  const run = (urgent: (block: number) => boolean = () => false) => {
    const came: [block: number, ms: number][] = [];
    while (queue.take()) {
      if (queue.kind === Kind.requestArrives)
        lines.requestArrives(queue.a, urgent(lines.block[queue.a]!));
      else if (queue.kind === Kind.uplinkFree) lines.uplinkFree(queue.a);
      else if (queue.kind === Kind.reachesDownlink) lines.reachesDownlink(queue.a);
      else if (lines.arrivedWhole(queue.a)) came.push([lines.block[queue.a]!, queue.nowMs]);
    }
    return came;
  };
  return { queue, lines, run };
}

it("takes a latency for the request, another for the block, and its length on the line", () => {
  const { lines, run } = network();
  lines.request(0, 1, 7, 1000, 0);
  expect(run()).toEqual([[7, 11]]);
});

it("sends one block after the other, urgent ones first, and none that is not needed any more", () => {
  const { lines, run } = network();
  lines.request(0, 1, 1, 1000, 0);
  lines.request(2, 1, 2, 1000, 2);
  lines.cancel(lines.request(2, 1, 3, 1000, 2), 2, 3);
  lines.request(3, 1, 4, 1000, 3);
  expect(run((block) => block === 4)).toEqual([
    [1, 11],
    [4, 21.5],
    [2, 31.5],
  ]);
});

it("does not bring more to a node than its downlink carries", () => {
  const { lines, run } = network();
  lines.request(0, 1, 1, 1000, 0);
  lines.request(0, 2, 2, 1000, 0);
  lines.request(0, 3, 3, 1000, 0);
  expect(run().map(([, ms]) => Math.round(ms))).toEqual([11, 22, 32]);
});

it("brings blocks over a thin line one after the other, each way", () => {
  const { lines, run } = network(10);
  lines.request(0, 2, 1, 1000, 0);
  lines.request(1, 3, 2, 1000, 1);
  lines.request(2, 0, 3, 1000, 2);
  expect(run().sort()).toEqual([
    [1, 102],
    [2, 202],
    [3, 102],
  ]);
  expect(lines.crossBytes).toBe(3000);
});

it("loses what a node was sending when it died", () => {
  const { queue, lines, run } = network();
  lines.request(0, 1, 1, 1000, 0);
  lines.request(0, 1, 2, 1000, 0);
  queue.take();
  lines.requestArrives(queue.a, false);
  lines.kill(1);
  expect(run()).toEqual([]);
});
