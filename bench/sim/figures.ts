import { type Outcome, percentile } from "./outcome.ts";
import { RUNS, type RunId } from "./scenarios.ts";

/** Something that must hold: a figure, and what it may be at most. */
export interface Figure {
  run: RunId;
  what: string;
  figure: number;
  limit: number;
  unit: string;
}

export type Outcomes = Partial<Record<RunId, Outcome>>;

/** What the registry may send, as a multiple of the image: where nodes come one after the other, and else. */
const EGRESS_LATE = 1.05;
const EGRESS = 1.02;
const LATE: readonly RunId[] = ["spread", "rolling"];
const TWO_RACKS: readonly RunId[] = ["racks", "thinnest"];

/** Seconds below which a part of some times in order, ms, lies. */
export function seconds(orderedMs: readonly number[], part: number): number {
  return percentile(orderedMs, part) / 1000;
}

/** All that must hold of the runs that were made, in the order of the table. */
export function figuresOf(outcomes: Outcomes): Figure[] {
  const figures: Figure[] = [];
  const add = (
    run: RunId,
    what: string,
    limit: number,
    of: (outcome: Outcome) => number,
    unit = "",
  ) => {
    const outcome = outcomes[run];
    if (outcome) figures.push({ run, what, figure: of(outcome), limit, unit });
  };
  const done = (part: number) => (outcome: Outcome) => seconds(outcome.healthyMs, part);
  // Kraken's published test had a p50 of 10 s, a p99 of 18 s and a p99.9 of 22 s.
  add("kraken", "p50", 10.5, done(0.5), "s");
  add("kraken", "p99", 12, done(0.99), "s");
  add("kraken", "p99.9", 13, done(0.999), "s");
  add("large", "p99", 1.25 * RUNS.large.idealSeconds, done(0.99), "s");
  add("large", "supernode's core busy", 0.7, ({ supernode }) => supernode.busy);
  add("registry", "slowest", 1.15 * RUNS.registry.idealSeconds, done(1), "s");
  const undisturbed = outcomes.grow1000;
  if (undisturbed)
    add("trouble", "p99 of the healthy", 1.3 * done(0.99)(undisturbed), done(0.99), "s");
  for (const run of TWO_RACKS) add(run, "bytes across / image", 3, ({ cross }) => cross);
  for (const run of Object.keys(RUNS) as RunId[]) {
    const limit = LATE.includes(run) ? EGRESS_LATE : EGRESS;
    add(run, "egress / image", limit, ({ egress }) => egress);
    add(run, "nodes left without", 0, ({ incomplete }) => incomplete);
  }
  return figures;
}

/** How near a figure is to its limit: at most 1 where it holds. */
export function ratio({ figure, limit }: Figure): number {
  if (limit === 0) return figure === 0 ? 0 : Number.POSITIVE_INFINITY;
  return figure / limit;
}

/** The figure that is nearest to its limit, or farthest beyond. */
export function worst(figures: readonly Figure[]): Figure | undefined {
  return figures.toSorted((a, b) => ratio(b) - ratio(a))[0];
}
