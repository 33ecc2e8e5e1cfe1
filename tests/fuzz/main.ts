import { runMain } from "../../runtime/command_line.ts";
import { Scratch } from "../support/scratch.ts";
import { fuzz } from "./fuzz.ts";
import { readOptions } from "./options.ts";
import { megabytes, type Outcome } from "./run_target.ts";

async function main(): Promise<number> {
  const options = await readOptions(process.argv.slice(2));
  if (typeof options === "number") return options;
  const scratch = await Scratch.open("fuzz");
  let closing: Promise<void> | undefined;
  const close = () => (closing ??= scratch.close());
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void close().finally(() => process.exit(1)));
  let outcomes: Outcome[];
  try {
    outcomes = await fuzz(scratch, options, (outcome) =>
      process.stdout.write(`${line(outcome)}\n`),
    );
  } finally {
    await close();
  }
  const sum = (of: (outcome: Outcome) => number) =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const problems = sum((outcome) => outcome.problems.length);
  process.stdout.write(
    `fuzz: ${outcomes.length} ports, ${sum(({ requests }) => requests)} requests, ` +
      `${sum(({ answers }) => answers)} answers, ${sum(({ errors }) => errors)} of 5xx, all with a cause, ` +
      `${problems} problems (seed ${options.seed})\n`,
  );
  return problems > 0 ? 1 : 0;
}

function line(outcome: Outcome): string {
  const { name, requests, connections, answers, errors, reasons, rssWarm, rssEnd, seconds } =
    outcome;
  const figures = [
    `${requests} requests on ${connections} connections in ${seconds.toFixed(0)} s`,
    `${answers} answers`,
    `${errors} of 5xx for ${reasons} reasons`,
    `memory ${megabytes(rssWarm)} MB, then ${megabytes(rssEnd)} MB`,
  ];
  return [
    `${name}: ${figures.join(", ")}`,
    ...outcome.problems.map((problem) => `  ${problem}`),
  ].join("\n");
}

await runMain("fuzz", main);
