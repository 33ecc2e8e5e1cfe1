import { createCommand } from "../../runtime/command_line.ts";
import { readFlags } from "../read_flags.ts";
import { wholeNumberOption } from "../whole_number_option.ts";

export interface RolloutOptions {
  /** Nodes that pull at once. */
  nodes: number;
  /** Millions of bytes in the image. */
  size: number;
  /** Mbit/s of each node's link and of the registry's, each way. */
  rate: number;
  /** Whether all nodes also pull directly at once. */
  direct: boolean;
  /** Whether the last node pulls when the others have the image, and it alone is measured. */
  late: boolean;
  /** Whether the nodes have pulled another image before. */
  warmUp: boolean;
  /** Directory for a CPU profile of the first node's dfdaemon. */
  cpuProf?: string;
}

/**
 * Reads the benchmark's flags; a number instead of options is the exit code where help was asked for.
 *
 * @throws {UsageError} for a flag or value that is wrong
 */
export async function readOptions(args: readonly string[]): Promise<RolloutOptions | number> {
  const program = createCommand("rollout")
    .description(
      "Has nodes, each in a network namespace of its own behind a shaped link, pull one image: one alone, all through their dfdaemons, all directly. Needs root.",
    )
    .addOption(wholeNumberOption("--nodes <n>", "nodes that pull at once", 1, 200, 8))
    .addOption(
      wholeNumberOption("--size <MB>", "size of the image in millions of bytes", 1, 20_000, 200),
    )
    .addOption(wholeNumberOption("--rate <Mbit/s>", "each link's rate, each way", 1, 10_000, 200))
    .option(
      "--late",
      "have the last node pull when the others have the image, and measure it",
      false,
    )
    .option("--no-direct", "leave out the pull of all nodes at once directly")
    .option("--no-warm-up", "have the nodes pull in their first second of life")
    .option("--cpu-prof <directory>", "write a CPU profile of the first node's dfdaemon there");
  return readFlags<RolloutOptions>(program, args);
}
