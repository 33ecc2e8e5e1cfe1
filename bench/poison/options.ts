import { createCommand } from "../../runtime/command_line.ts";
import { readFlags } from "../read_flags.ts";
import { wholeNumberOption } from "../whole_number_option.ts";

export interface PoisonOptions {
  /** Nodes that pull, the honest one in the poisoned one's place not counted. */
  nodes: number;
  /** Millions of bytes in the layer. */
  size: number;
  /** Mbit/s of each node's link and of the registry's, each way. */
  rate: number;
  /** Times that each way of poisoning is tried. */
  runs: number;
}

/**
 * Reads the benchmark's flags; a number instead of options is the exit code where help was asked for.
 *
 * @throws {UsageError} for a flag or value that is wrong
 */
export async function readOptions(args: readonly string[]): Promise<PoisonOptions | number> {
  const program = createCommand("poison")
    .description(
      "Has nodes pull a layer at once, each in a network namespace of its own behind a shaped link, beside one more: an honest node that pulls, too, or a peer that says it has the whole layer and sends wrong bytes, in each way in turn. Needs root.",
    )
    .addOption(wholeNumberOption("--nodes <n>", "nodes that pull", 2, 100, 4))
    .addOption(
      wholeNumberOption("--size <MB>", "size of the layer in millions of bytes", 4, 2000, 50),
    )
    .addOption(wholeNumberOption("--rate <Mbit/s>", "each link's rate, each way", 1, 10_000, 80))
    .addOption(wholeNumberOption("--runs <n>", "times that each way is tried", 1, 100, 3));
  return readFlags<PoisonOptions>(program, args);
}
