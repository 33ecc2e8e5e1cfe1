import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runMain } from "../../runtime/command_line.ts";
import { type BenchContext, runBench } from "../run_bench.ts";
import { writeDocs } from "./docs.ts";
import { figuresOf, type Outcomes, ratio, seconds, worst } from "./figures.ts";
import { readOptions, SERVICE_TIME, type SimOptions } from "./options.ts";
import type { Outcome } from "./outcome.ts";
import { assumptions, closingLine, renderText } from "./report.ts";
import type { RunQuestion } from "./run_program.ts";
import { EXTRA, RUNS, type RunId } from "./scenarios.ts";

async function main(): Promise<number> {
  const options = await readOptions(process.argv.slice(2));
  if (typeof options === "number") return options;
  return runBench("sim", (context) => simulate(options, context));
}

async function simulate(options: SimOptions, context: BenchContext): Promise<number> {
  say(
    `Assumptions:\n${assumptions(SERVICE_TIME)
      .map((line) => `- ${line}`)
      .join("\n")}`,
  );
  const all = Object.keys(RUNS) as RunId[];
  const ids = options.only ?? all.filter((id) => !EXTRA.includes(id));
  const made = await runAll(ids, options, context);
  const outcomes: Outcomes = {};
  for (const id of ids) outcomes[id] = made.get(id)!;
  const figures = figuresOf(outcomes);
  say(renderText(outcomes, figures));
  if (options.docs) {
    for (const path of await writeDocs(outcomes, figures)) say(`wrote ${path}`);
  }
  say(closingLine(figures));
  const last = worst(figures);
  return last && ratio(last) > 1 ? 1 : 0;
}

/** Makes all runs, the largest first, a few at the same time. */
async function runAll(
  ids: readonly RunId[],
  { jobs, seed }: SimOptions,
  context: BenchContext,
): Promise<Map<RunId, Outcome>> {
  const waiting = ids.toSorted((a, b) => work(b) - work(a));
  const made = new Map<RunId, Outcome>();
  const program = join(dirname(fileURLToPath(import.meta.url)), "run_program.js");
  const worker = async (number: number) => {
    for (let run = waiting.shift(); run; run = waiting.shift()) {
      const simulation = context.programs.start({
        label: `simulation ${number}`,
        command: [process.execPath, program],
        log: join(context.directory, `${run}.log`),
        answers: true,
      });
      const beganMs = performance.now();
      const outcome = await simulation.ask<Outcome>({ run, seed } satisfies RunQuestion);
      await simulation.stop();
      made.set(run, outcome);
      const took = ((performance.now() - beganMs) / 1000).toFixed(0);
      const times = [0.5, 0.99].map((part) => seconds(outcome.healthyMs, part).toFixed(2));
      say(`${RUNS[run].name}: p50 ${times[0]} s, p99 ${times[1]} s (simulated in ${took} s)`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, (_, index) => worker(index + 1)));
  return made;
}

/** How much there is to do in a run, roughly. */
function work(id: RunId): number {
  const { nodes, layers } = RUNS[id].setup;
  return nodes * layers.reduce((sum, length) => sum + length, 0);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await runMain("sim", main);
