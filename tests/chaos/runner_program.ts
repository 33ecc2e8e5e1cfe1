import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runMain } from "../../runtime/command_line.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { figures } from "./figures.ts";
import type { Hosts } from "./host_network.ts";
import { makeImages } from "./images.ts";
import type { ChaosOptions } from "./options.ts";
import { type Outcome, runSchedule } from "./run_schedule.ts";
import { describeSchedule, scheduleOf } from "./schedule.ts";

/**
 * Runs schedules one after the other, from a host of the network. Started by `main.ts` with hosts and
 * options as JSON.
 */
async function main(): Promise<number> {
  const [hosts, options] = process.argv.slice(2).map((json) => JSON.parse(json)) as [
    Hosts,
    ChaosOptions,
  ];
  let stopped = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => (stopped = true));
  const failures = await mkdtemp(join(tmpdir(), "dragonfly-chaos-failed-"));
  const scratch = await Scratch.open("chaos");
  const outcomes: Outcome[] = [];
  try {
    const registry = await Registry.start(scratch, { place: hosts.parts.registry });
    const images = await makeImages(scratch, registry);
    const world = { hosts, registry, images, failures };
    for (let seed = options.first; seed < options.first + options.seeds && !stopped; seed++) {
      const schedule = scheduleOf(seed);
      const startedMs = performance.now();
      const outcome = await runSchedule(world, schedule);
      outcomes.push(outcome);
      say(line(outcome, performance.now() - startedMs));
      if (outcome.violations.length === 0) continue;
      say(describeSchedule(schedule));
      for (const violation of outcome.violations) say(`  FAILED ${violation}`);
      say(`  logs: ${join(failures, `seed-${seed}`)}`);
      say(`  again: npm run chaos -- --first ${seed} --seeds 1`);
    }
  } finally {
    await scratch.close();
    if (outcomes.every(({ violations }) => violations.length === 0)) {
      await rm(failures, { recursive: true });
    }
  }
  say(figures(outcomes));
  return outcomes.some(({ violations }) => violations.length > 0) ? 1 : 0;
}

function line({ schedule, violations, pulls, excused, healthyMs }: Outcome, tookMs: number) {
  const kinds = schedule.faults.map(({ kind, part }) => `${kind} ${part}`).join(", ");
  const verdict = violations.length === 0 ? "ok    " : "FAILED";
  return `${verdict} seed ${schedule.seed}: ${pulls} pulls, ${excused} excused, healthy after ${(healthyMs / 1000).toFixed(1)} s, took ${(tookMs / 1000).toFixed(1)} s (${kinds})`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await runMain("chaos", main);
