import { readFlags } from "../../bench/read_flags.ts";
import { wholeNumberOption } from "../../bench/whole_number_option.ts";
import { createCommand } from "../../runtime/command_line.ts";

export interface ChaosOptions {
  /** Schedules to run. */
  seeds: number;
  /** The first one's seed; the others follow. */
  first: number;
  /** Sites at once: most of a schedule is waiting. */
  lanes: number;
  /** By so much all limits of time are longer, for a machine that has other things to do. */
  patience: number;
}

/** How the suites run it: half of a schedule is waiting, and limits of time are for those who measure. */
const BUSY = { lanes: 5, patience: 6 };

/**
 * Reads the flags; a number instead of options is the exit code where help was asked for.
 *
 * @throws {UsageError} for a flag or value that is wrong
 */
export async function readOptions(args: readonly string[]): Promise<ChaosOptions | number> {
  const program = createCommand("chaos")
    .description(
      "Has a registry, a supernode and four nodes pull images while things go wrong, by schedules made from seeds, and checks that every client gets what a direct pull would have brought. Needs root, skopeo, docker-registry, iproute2 and nftables.",
    )
    .addOption(wholeNumberOption("--seeds <n>", "schedules to run", 1, 100_000, 25))
    .addOption(wholeNumberOption("--first <seed>", "seed of the first one", 0, 2 ** 31, 1))
    .addOption(wholeNumberOption("--lanes <n>", "schedules at a time", 1, 16, 3))
    .addOption(
      wholeNumberOption(
        "--patience <times>",
        "all limits of time are so many times longer, for a busy machine",
        1,
        100,
        1,
      ),
    )
    .option(
      "--busy",
      `for a machine that runs other tests: --lanes ${BUSY.lanes} --patience ${BUSY.patience}`,
    );
  const flags = await readFlags<ChaosOptions & { busy?: true }>(program, args);
  return typeof flags !== "number" && flags.busy ? { ...flags, ...BUSY } : flags;
}
