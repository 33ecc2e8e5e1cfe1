import type { Point, Totals } from "../messages.ts";

/** Bytes a second between each point and the one before it; times in seconds, as the charts have them. */
export function ratesOf(history: readonly Point[]): {
  times: number[];
  delivered: number[];
  egress: number[];
} {
  const rates = { times: [] as number[], delivered: [] as number[], egress: [] as number[] };
  for (let index = 1; index < history.length; index++) {
    const [beforeMs, deliveredBefore, egressBefore] = history[index - 1]!;
    const [atMs, delivered, egress] = history[index]!;
    const seconds = (atMs - beforeMs) / 1000;
    if (seconds <= 0) continue;
    rates.times.push(atMs / 1000);
    rates.delivered.push(Math.max(0, delivered - deliveredBefore) / seconds);
    rates.egress.push(Math.max(0, egress - egressBefore) / seconds);
  }
  return rates;
}

/**
 * What registries did not have to send, up to now. While a copy waits for its readers that would be less
 * than nothing: then it is nothing.
 */
export function savedOf(
  history: readonly Point[],
  nowMs: number,
  { delivered, egress }: Pick<Totals, "delivered" | "egress">,
): { times: number[]; saved: number[] } {
  const last = history.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY;
  const now: Point = [nowMs, delivered, egress];
  const points = nowMs > last ? [...history, now] : history;
  return {
    times: points.map(([atMs]) => atMs / 1000),
    saved: points.map(([, toNodes, fromRegistries]) => Math.max(0, toNodes - fromRegistries)),
  };
}
