import { InvalidArgumentError, Option } from "commander";
import { createCommand, parseCommandLine } from "../../runtime/command_line.ts";

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
    .addOption(
      new Option("--nodes <n>", "nodes that pull at once")
        .argParser(wholeNumber(1, MOST_NODES))
        .default(4),
    )
    .addOption(
      new Option("--size <MB>", "size of the image in millions of bytes")
        .argParser(wholeNumber(1, MOST_MB))
        .default(200),
    )
    .option("--keep", "leave everything running after the table, until ctrl-C", false)
    .action(() => {});
  return (await parseCommandLine(program, args)) ?? program.opts<DemoOptions>();
}

function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}
