import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { BusyShare } from "./busy_share.ts";

it("tells work from waiting", async () => {
  const share = new BusyShare();
  const endMs = performance.now() + 200;
  while (performance.now() < endMs) Math.sqrt(endMs);
  // The loop counts a turn when it has ended.
  await sleep(1);
  const atWork = share.take();
  await sleep(400);
  const atRest = share.take();
  expect(atWork).toBeGreaterThan(atRest);
  expect(atWork).toBeLessThanOrEqual(1);
  expect(atRest).toBeGreaterThanOrEqual(0);
});
