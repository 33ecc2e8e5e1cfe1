import { expect, test } from "vitest";
import { Latencies } from "./latencies.ts";

test("percentiles are of what was added, whatever the order", () => {
  const latencies = new Latencies();
  for (let ms = 100; ms >= 1; ms--) latencies.add(1000, 1000 + ms);
  expect(latencies.summary()).toEqual({ count: 100, p50: 50, p99: 99, most: 100, seconds: 0.1 });
});

test("a request that fails does not count", async () => {
  const latencies = new Latencies();
  await expect(latencies.measure(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(latencies.summary().count).toBe(0);
});
