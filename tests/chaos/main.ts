import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runMain } from "../../runtime/command_line.ts";
import { figures } from "./figures.ts";
import { openHosts } from "./host_network.ts";
import { readOptions } from "./options.ts";
import type { Outcome } from "./run_schedule.ts";
import type { RunnerPlan } from "./runner_program.ts";

/** Makes a network for each lane, and has its share of the schedules run from a host of it. */
async function main(): Promise<number> {
  const options = await readOptions(process.argv.slice(2));
  if (typeof options === "number") return options;
  const failures = await mkdtemp(join(tmpdir(), "dragonfly-chaos-failed-"));
  const seeds = Array.from({ length: options.seeds }, (_, index) => options.first + index);
  const lanes = Math.min(options.lanes, options.seeds);
  const outcomes: Outcome[] = [];
  const codes = await Promise.all(
    Array.from({ length: lanes }, (_, lane) => {
      const share = seeds.filter((_, index) => index % lanes === lane);
      return runLane(
        `chaos${process.pid}-${lane}`,
        { seeds: share, patience: options.patience, failures },
        (outcome) => {
          outcomes.push(outcome);
        },
      );
    }),
  );
  const failed = outcomes.some(({ violations }) => violations.length > 0);
  if (!failed) await rm(failures, { recursive: true });
  process.stdout.write(`${figures(outcomes)}\n`);
  // A lane that broke off has not run all that it should.
  return failed || codes.some((code) => code !== 0) ? 1 : 0;
}

async function runLane(
  name: string,
  share: Omit<RunnerPlan, "hosts">,
  onOutcome: (outcome: Outcome) => void,
): Promise<number> {
  const { hosts, network } = await openHosts(name);
  process.on("exit", () => network.close());
  const plan: RunnerPlan = { hosts, ...share };
  const [command, ...prefix] = hosts.onlooker.prefix;
  const program = join(import.meta.filename, "..", "runner_program.js");
  const runner = spawn(command!, [...prefix, process.execPath, program, JSON.stringify(plan)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    // Ctrl-C is told by us, so that it can clean up.
    detached: true,
  });
  runner.on("message", (outcome) => onOutcome(outcome as Outcome));
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => runner.kill(signal));
  const [code] = (await once(runner, "close")) as [number | null];
  return code ?? 1;
}

await runMain("chaos", main);
