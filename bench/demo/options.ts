import { createCommand } from "../../runtime/command_line.ts";
import { readFlags } from "../read_flags.ts";
import { wholeNumberOption } from "../whole_number_option.ts";

export interface DemoOptions {
  /** Nodes that pull at once. */
  nodes: number;
  /** Millions of bytes in the image. */
  size: number;
  /** Leave everything running after the table, until ctrl-C. */
  keep: boolean;
}

/** Each node is a process: more of them say nothing that these do not. */
const MOST_NODES = 100;
/** A layer's tar header holds sizes up to 8 GiB, and the largest of five layers is a third of it all. */
const MOST_MB = 20_000;

/**
 * Reads the demo's flags; a number instead of options is the exit code where help was asked for.
 *
 * @throws {UsageError} for a flag or value that is wrong
 */
export async function readOptions(args: readonly string[]): Promise<DemoOptions | number> {
  const program = createCommand("demo")
    .description(
      "Starts a registry, a supernode and some nodes on this machine, has all nodes pull one image at the same moment, and shows what the registry had to send.",
    )
    .addOption(wholeNumberOption("--nodes <n>", "nodes that pull at once", 1, MOST_NODES, 4))
    .addOption(
      wholeNumberOption("--size <MB>", "size of the image in millions of bytes", 1, MOST_MB, 200),
    )
    .option("--keep", "leave everything running after the table, until ctrl-C", false);
  return readFlags<DemoOptions>(program, args);
}
