import type { Command } from "commander";
import { parseCommandLine } from "../runtime/command_line.ts";

/**
 * Reads the flags of a program that has no sub-commands; a number instead of options is the exit code where help was
 * asked for.
 *
 * @throws {UsageError} for a flag or value that is wrong
 */
export async function readFlags<Options extends object>(
  program: Command,
  args: readonly string[],
): Promise<Options | number> {
  program.action(() => {});
  return (await parseCommandLine(program, args)) ?? program.opts<Options>();
}
