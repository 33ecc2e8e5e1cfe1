import { InvalidArgumentError, Option } from "commander";
import * as z from "zod";
import { createCommand } from "../../runtime/command_line.ts";
import { readFlags } from "../read_flags.ts";
import { wholeNumberOption } from "../whole_number_option.ts";
import { RUNS, type RunId } from "./scenarios.ts";
import measured from "./service_time.json" with { type: "json" };

/** What was measured at the real supernode (`npm run bench -- service_time`). */
const serviceTimeSchema = z.object({
  /** ms of one core. */
  register: z.number().positive(),
  heartbeat: z.number().positive(),
  /** Which requests were measured. */
  requests: z.object({ register: z.string(), heartbeat: z.string() }),
  date: z.string(),
  machine: z.string(),
  runtime: z.string(),
});
export type ServiceTime = z.infer<typeof serviceTimeSchema>;
export const SERVICE_TIME: ServiceTime = serviceTimeSchema.parse(measured);

export interface SimOptions {
  seed: number;
  /** Simulations at the same time. */
  jobs: number;
  /** Which runs to make; all but the extra ones where it is absent. */
  only?: readonly RunId[];
  /** Write the curves and the figures below `docs/`. */
  docs: boolean;
}

/**
 * Reads the benchmark's flags; a number instead of options is the exit code where help was asked for.
 *
 * @throws {UsageError} for a flag or value that is wrong
 */
export async function readOptions(args: readonly string[]): Promise<SimOptions | number> {
  const names = Object.keys(RUNS).join(", ");
  const program = createCommand("sim")
    .description("Simulates swarms of up to 15,000 nodes with the scheduling of the real programs.")
    .addOption(wholeNumberOption("--seed <n>", "that chance begins with", 0, 2 ** 31 - 1, 1))
    .addOption(wholeNumberOption("--jobs <n>", "simulations at the same time", 1, 64, 2))
    .addOption(new Option("--only <runs>", `some of: ${names}`).argParser(runs))
    .option("--docs", "write the curves and the figures below docs/", false);
  return readFlags<SimOptions>(program, args);
}

function runs(text: string): RunId[] {
  return text.split(",").map((name) => {
    if (Object.hasOwn(RUNS, name)) return name as RunId;
    throw new InvalidArgumentError(`There is no run "${name}".`);
  });
}
