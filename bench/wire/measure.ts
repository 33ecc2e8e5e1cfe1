import type { BenchContext } from "../run_bench.ts";

/** One side's figures of one run, by what they are called; the first is what is compared. */
export interface Sample {
  value: number;
  /** Shown, not compared: memory, processor time, bytes from the registry. */
  notes?: Record<string, string>;
}

export interface WireOptions {
  /** Runs of each side. */
  runs: number;
  /** Which runtime our programs run on. */
  runtime: "node" | "deno";
  /** File for the curves of `growth`. */
  svg?: string;
  /** Directory for CPU profiles of our programs. */
  cpuProf?: string;
}

/** What a measurement works with. */
export interface Bench extends BenchContext {
  options: WireOptions;
  say(line: string): void;
}

/** One of the measurements of one node's work with bytes. */
export interface Measure {
  /** What is measured, against what. */
  what: string;
  /** The ratio to reach, as it is to be read: `≤ 0.5`. */
  target: string;
  /** @returns the last lines to print; the very last is `NAME ratio=… (ours …, theirs …)` */
  run(bench: Bench): Promise<string[]>;
}
