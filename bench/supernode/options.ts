import { createCommand } from "../../runtime/command_line.ts";
import { readFlags } from "../read_flags.ts";
import { wholeNumberOption } from "../whole_number_option.ts";

export interface SupernodeBenchOptions {
  /** Nodes that send heartbeats. */
  nodes: number;
  /** Nodes that register meanwhile, at once. */
  newcomers: number;
  /** Seconds in which the first half of them comes. */
  within: number;
  /** Seconds for which heartbeats are measured. */
  seconds: number;
  /** v1 clients. */
  clients: number;
  /** Milliseconds that a v1 client takes for a piece. */
  piece: number;
  /** Directory for a CPU profile of the supernode. */
  cpuProf?: string;
}

/**
 * Reads the benchmark's flags; a number instead of options is the exit code where help was asked for.
 *
 * @throws {UsageError} for a flag or value that is wrong
 */
export async function readOptions(
  args: readonly string[],
): Promise<SupernodeBenchOptions | number> {
  const program = createCommand("supernode")
    .description("Puts load on the real supernode, by nodes of our own swarm and by v1 clients.")
    .addOption(wholeNumberOption("--nodes <n>", "nodes that send heartbeats", 1, 13_000, 10_000))
    .addOption(wholeNumberOption("--newcomers <n>", "nodes that register meanwhile", 2, 6000, 5000))
    .addOption(wholeNumberOption("--within <s>", "in which half of them comes", 1, 60, 2))
    .addOption(wholeNumberOption("--seconds <s>", "for which heartbeats are measured", 1, 600, 15))
    .addOption(wholeNumberOption("--clients <n>", "v1 clients", 1, 10_000, 2000))
    .addOption(
      wholeNumberOption("--piece <ms>", "that a v1 client takes for a piece", 1, 60_000, 2000),
    )
    .option("--cpu-prof <directory>", "write a CPU profile of the supernode there");
  return readFlags<SupernodeBenchOptions>(program, args);
}
