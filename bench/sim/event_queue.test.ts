import { expect, it } from "vitest";
import fc from "../../tests/support/fast_check.ts";
import { EventQueue } from "./event_queue.ts";

it("gives each event once, in the order of time, whatever else comes meanwhile", () => {
  const events = fc.array(fc.record({ inMs: fc.nat(1000), moreMs: fc.nat(1000) }), {
    maxLength: 3000,
  });
  fc.assert(
    fc.property(events, (planned) => {
      const queue = new EventQueue();
      planned.forEach(({ inMs }, index) => void queue.push(inMs, 1, index));
      const seen: string[] = [];
      let lastMs = 0;
      while (queue.take()) {
        const { nowMs, kind, a, b } = queue;
        expect(nowMs).toBeGreaterThanOrEqual(lastMs);
        lastMs = nowMs;
        seen.push(`${kind} ${a}`);
        if (kind === 1) {
          expect(nowMs).toBe(planned[a]!.inMs);
          queue.push(nowMs + planned[a]!.moreMs, 2, a, 7);
        } else expect([nowMs, b]).toEqual([planned[a]!.inMs + planned[a]!.moreMs, 7]);
      }
      expect(new Set(seen).size).toBe(2 * planned.length);
      expect(queue.taken).toBe(2 * planned.length);
    }),
    { numRuns: 30 },
  );
});
