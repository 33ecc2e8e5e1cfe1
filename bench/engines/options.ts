import { InvalidArgumentError, Option } from "commander";
import { createCommand } from "../../runtime/command_line.ts";
import { readFlags } from "../read_flags.ts";
import { wholeNumberOption } from "../whole_number_option.ts";

export interface EnginesOptions {
  /** Peers that download at once. */
  engines: number;
  /** Processes that they are shared out among. */
  processes: number;
  /** Millions of bytes of each file. */
  sizes: readonly number[];
}

/**
 * Reads the benchmark's flags; a number instead of options is the exit code where help was asked for.
 *
 * @throws {UsageError} for a flag or value that is wrong
 */
export async function readOptions(args: readonly string[]): Promise<EnginesOptions | number> {
  const program = createCommand("engines")
    .description(
      "Has many peers, several in a process, download files of several sizes, and counts what they ask of the supernode.",
    )
    .addOption(wholeNumberOption("--engines <n>", "peers that download at once", 1, 200, 100))
    .addOption(wholeNumberOption("--processes <n>", "processes for them", 1, 50, 4))
    .addOption(
      new Option("--sizes <MB,…>", "sizes of the files in millions of bytes")
        .argParser(readSizes)
        .default([8, 64, 256]),
    );
  return readFlags<EnginesOptions>(program, args);
}

function readSizes(text: string): number[] {
  const sizes = text.split(",").map(Number);
  if (sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= 8000)) return sizes;
  throw new InvalidArgumentError("Expected whole numbers from 1 to 8000, comma separated.");
}
