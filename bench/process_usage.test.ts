import { expect, test } from "vitest";
import { parseUsage, processUsage } from "./process_usage.ts";

test("reads times past a name with spaces and parentheses, and memory in bytes", () => {
  const times = "S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
  const status = "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
  expect(parseUsage(`7 (a (b) c) ${times}`, status)).toEqual({
    cpuSeconds: 3,
    rss: 1024 * 1024,
    peakRss: 2048 * 1024,
  });
});

test("reads this process", async () => {
  const { rss, peakRss } = await processUsage(process.pid);
  expect(rss).toBeGreaterThan(1_000_000);
  expect(peakRss).toBeGreaterThanOrEqual(rss * 0.5);
});
