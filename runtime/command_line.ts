import { Command, CommanderError } from "commander";
import { ConfigError } from "./config_file.ts";
import { ListenError } from "./serve.ts";
import { VERSION } from "./version.ts";

/** Wrong use of a command line; the message says which flag and what it takes. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** A program or sub-command whose mistakes are thrown, not printed: see {@link parseCommandLine}. */
export function createCommand(name: string): Command {
  return new Command(name)
    .exitOverride()
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .helpOption("-h, --help", "show this help")
    .showHelpAfterError(false);
}

/** For commander's repeatable options: gathers the values of all occurrences. */
export function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}

/**
 * Runs `program` on `args` (without runtime and script) as v1's programs (Go's pflag) read flags:
 * `--flag=value`, `--flag value`, `-fvalue`, and `--flag=true|false` for switches.
 *
 * @returns the exit code where help or version was all that was asked for
 * @throws {UsageError} on unknown or malformed flags
 */
export async function parseCommandLine(
  program: Command,
  args: readonly string[],
): Promise<number | undefined> {
  try {
    await program.parseAsync(spellSwitches(program, args), { from: "user" });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    throw new UsageError(error.message.replace(/^error: /, ""));
  }
}

/**
 * commander knows switches only bare; Go also takes `--switch=true` and `--switch=false`, the latter
 * to overrule what is switched on elsewhere.
 */
function spellSwitches(program: Command, args: readonly string[]): string[] {
  const options = [program, ...program.commands].flatMap((command) => command.options);
  const switches = new Map(
    options.filter((option) => option.isBoolean()).map((option) => [option.long, option]),
  );
  return args.flatMap((arg) => {
    const [, flag, value] = /^(--[^=]+)=(.*)$/.exec(arg) ?? [];
    const option = switches.get(flag);
    if (flag === undefined || value === undefined || !option) return [arg];
    if (/^(1|t|true)$/i.test(value)) return [flag];
    if (!/^(0|f|false)$/i.test(value)) {
      throw new UsageError(`invalid value "${value}" for ${flag}: expected true or false`);
    }
    program.hook("preAction", (_program, command) => {
      const owner = command.options.some(({ long }) => long === flag) ? command : program;
      owner.setOptionValueWithSource(option.attributeName(), false, "cli");
    });
    return [];
  });
}

/** `<program> <version> (<runtime>)`. */
export function versionLine(program: string, runtime: string): string {
  return `${program} ${VERSION} (${runtime})`;
}

/**
 * Runs a program's main function and turns what it throws into one clear line and an exit code:
 * a user's mistake gives 1; anything unforeseen 2, with its message and no stack trace.
 */
export async function runMain(
  program: string,
  main: () => Promise<number | undefined>,
): Promise<void> {
  try {
    const code = await main();
    if (code !== undefined) process.exitCode = code;
  } catch (error) {
    process.stderr.write(`${program}: ${(error as Error).message}\n`);
    if (error instanceof UsageError) process.stderr.write(`Try '${program} --help'.\n`);
    const expected =
      error instanceof UsageError || error instanceof ConfigError || error instanceof ListenError;
    process.exit(expected ? 1 : 2);
  }
}
