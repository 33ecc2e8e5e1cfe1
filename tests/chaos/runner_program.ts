import { join } from "node:path";
import { runMain } from "../../runtime/command_line.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import type { Hosts } from "./host_network.ts";
import { makeImages } from "./images.ts";
import { type Outcome, runSchedule } from "./run_schedule.ts";
import { describeSchedule, scheduleOf } from "./schedule.ts";

/** What `main.ts` starts it with, as JSON; it sends each {@link Outcome} back. */
export interface RunnerPlan {
  hosts: Hosts;
  seeds: readonly number[];
  /** By so much all limits of time are longer. */
  patience: number;
  /** Takes the logs of failed runs. */
  failures: string;
}

/** Runs schedules one after the other, from a host of the network. */
async function main(): Promise<number> {
  const { hosts, seeds, patience, failures } = JSON.parse(process.argv[2]!) as RunnerPlan;
  let stopped = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => (stopped = true));
  const scratch = await Scratch.open("chaos");
  try {
    const registry = await Registry.start(scratch, { place: hosts.parts.registry });
    const images = await makeImages(scratch, registry);
    const world = { hosts, registry, images, patience, failures };
    for (const seed of seeds) {
      if (stopped) break;
      const schedule = scheduleOf(seed);
      const startedMs = performance.now();
      const outcome = await runSchedule(world, schedule);
      process.send?.(outcome);
      say(line(outcome, performance.now() - startedMs));
      if (outcome.violations.length === 0) continue;
      const lines = [
        describeSchedule(schedule),
        ...outcome.violations.map((violation) => `  FAILED ${violation}`),
        `  logs: ${join(failures, `seed-${seed}`)}`,
        `  again: npm run chaos -- --first ${seed} --seeds 1`,
      ];
      say(lines.join("\n"));
    }
  } finally {
    await scratch.close();
    if (process.connected) process.disconnect();
  }
  return 0;
}

function line(
  { schedule, violations, pulls, excused, slowestMs, healthyMs }: Outcome,
  tookMs: number,
) {
  const kinds = schedule.faults.map(({ kind, part }) => `${kind} ${part}`).join(", ");
  const verdict = violations.length === 0 ? "ok    " : "FAILED";
  return `${verdict} seed ${schedule.seed}: ${pulls} pulls, ${excused} excused, slowest ${(slowestMs / 1000).toFixed(1)} s, healthy after ${(healthyMs / 1000).toFixed(1)} s, ran ${(tookMs / 1000).toFixed(1)} s (${kinds})`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await runMain("chaos", main);
