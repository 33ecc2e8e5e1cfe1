import { Command, CommanderError } from "commander";
import { ConfigError } from "./config_error.ts";
import { type GoFlags, readGoFlags } from "./go_flags.ts";
import { ListenError } from "./listen_error.ts";
import { bearLostOutput } from "./lost_output.ts";
import { VERSION } from "./version.ts";

/** Wrong use of a command line; the message says which flag and what it takes. */
export class UsageError extends Error {
  override name = "UsageError";
  /** Whose help says more, such as `dfctl rm`; the program's where absent. */
  command?: string;
}

/** A program or sub-command whose mistakes are thrown, not printed: see {@link parseCommandLine}. */
export function createCommand(name: string): Command {
  return new Command(name)
    .exitOverride()
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .helpOption("-h, --help", "show this help")
    .showHelpAfterError(false);
}

/** For repeatable options whose values are taken as they are (pflag's `stringArray`). */
export function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}

/** For repeatable options that hold lists, comma separated (pflag's `strings`). */
export function collectList(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), ...splitList(value)];
}

/** The entries of a comma-separated list. */
export function splitList(value: string): string[] {
  return value.split(",").filter((entry) => entry !== "");
}

/**
 * Runs `program` on `args` (without runtime and script), whose flags are spelled as for v1's programs
 * (see {@link readGoFlags}).
 *
 * @returns the exit code where help or version was all that was asked for
 * @throws {UsageError} on unknown or malformed flags
 */
export async function parseCommandLine(
  program: Command,
  args: readonly string[],
): Promise<number | undefined> {
  const flags = readGoFlags(program, args);
  try {
    return await runCommand(program, flags);
  } catch (error) {
    if (error instanceof UsageError) error.command ??= spelledOut(flags.command);
    throw error;
  }
}

async function runCommand(program: Command, flags: GoFlags): Promise<number | undefined> {
  if (flags.mistake) throw new UsageError(flags.mistake);
  program.hook("preAction", () => {
    for (const [option, { command, value }] of flags.switches) {
      command.setOptionValueWithSource(option.attributeName(), value, "cli");
    }
  });
  try {
    await program.parseAsync(flags.args, { from: "user" });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (error.code === "commander.help") throw new UsageError("no such command to help with");
    throw new UsageError(error.message.replace(/^error: /, ""));
  }
}

/** A command with those above it: `dfctl rm`. */
function spelledOut(command: Command): string {
  const above = command.parent;
  return above ? `${spelledOut(above)} ${command.name()}` : command.name();
}

/** `<program> <version> (<runtime>)`. */
export function versionLine(program: string, runtime: string): string {
  return `${program} ${VERSION} (${runtime})`;
}

/**
 * Runs a program's main function and turns what it throws into one clear line and an exit code:
 * a user's mistake gives 1; anything unforeseen 2, with its message and no stack trace. Output that nobody takes
 * does not end it.
 */
export async function runMain(
  program: string,
  main: () => Promise<number | undefined>,
): Promise<void> {
  // Off the bundle's own frame: for an error made below it, as for `--version`, Deno would read the whole bundle once
  // more, 30 ms, to know the place.
  await undefined;
  bearLostOutput(program);
  try {
    const code = await main();
    if (code) process.exitCode = code;
  } catch (error) {
    process.stderr.write(`${program}: ${(error as Error).message}\n`);
    if (error instanceof UsageError)
      process.stderr.write(`Try '${error.command ?? program} --help'.\n`);
    const expected =
      error instanceof UsageError || error instanceof ConfigError || error instanceof ListenError;
    process.exit(expected ? 1 : 2);
  }
}
