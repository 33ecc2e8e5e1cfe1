import { loadavg } from "node:os";
import type { Bench, Sample } from "./measure.ts";

export interface Comparison {
  /** Medians. */
  ours: number;
  theirs: number;
  /** `ours / theirs`. */
  ratio: number;
}

export interface Sides {
  ours(run: number): Promise<Sample>;
  theirs(run: number): Promise<Sample>;
  unit: string;
}

/**
 * Runs both sides in turn, so that whatever else the machine does meets both, and compares the medians.
 * Ours begins every other time: who comes second finds warmer caches.
 */
export async function compare(bench: Bench, sides: Sides): Promise<Comparison> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let run = 0; run < bench.options.runs; run++) {
    const order = run % 2 === 0 ? (["ours", "theirs"] as const) : (["theirs", "ours"] as const);
    const shown: string[] = [];
    for (const side of order) {
      bench.signal.throwIfAborted();
      const sample = await sides[side](run);
      (side === "ours" ? ours : theirs).push(sample.value);
      shown.push(`${side} ${show(sample, sides.unit)}`);
    }
    bench.say(`  run ${run + 1}: ${shown.sort().join(" | ")}  (load ${loadavg()[0]!.toFixed(1)})`);
  }
  const result = { ours: median(ours), theirs: median(theirs) };
  return { ...result, ratio: result.ours / result.theirs };
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The last line of a measurement. */
export function closing(name: string, { ours, theirs, ratio }: Comparison, unit: string): string {
  const text = (value: number) => `${value.toFixed(value < 10 ? 3 : 1)} ${unit}`;
  return `${name} ratio=${ratio.toFixed(2)} (ours ${text(ours)}, theirs ${text(theirs)})`;
}

function show({ value, notes = {} }: Sample, unit: string): string {
  const extra = Object.entries(notes).map(([name, text]) => `, ${name} ${text}`);
  return `${value.toFixed(3)} ${unit}${extra.join("")}`;
}
