import type { Command, Option } from "commander";

/** What Go's pflag makes of a command line, in words that commander reads alike. */
export interface GoFlags {
  /** The arguments, each value behind its flag's long name: `--flag=value`. Switches are left out. */
  args: string[];
  /** Switches that occur, by the last value given to each, and the command they belong to. */
  switches: Map<Option, { command: Command; value: boolean }>;
  /** The program, or the sub-command that they name. */
  command: Command;
  /** What is not right with a switch's value, if anything. */
  mistake?: string;
}

/**
 * Reads arguments as v1's programs do, which use Go's pflag: `--flag=value`, `--flag value`, `-f value`,
 * `-fvalue`, `-f=value`, switches in one word (`-ab`) or with a value (`--switch=false`), `--` for the
 * end of all flags. A flag's value may begin with a dash; of a repeated flag the last one counts, unless
 * it gathers.
 */
export function readGoFlags(program: Command, args: readonly string[]): GoFlags {
  const result: GoFlags = { args: [], switches: new Map(), command: program };
  let index = 0;
  const next = () => args[index++];

  /** @returns whether the flag is one of ours; others are left to commander's complaint */
  const take = (spelled: string, inline: string | undefined, rest = inline): boolean => {
    const found = findOption(result.command, spelled);
    if (!found) return false;
    const { option, owner } = found;
    if (option.required) {
      const value = rest ?? next();
      result.args.push(value === undefined ? spelled : `${option.long}=${value}`);
    } else if (option.isBoolean() && option.attributeName() !== "version") {
      const value = inline === undefined ? true : parseSwitch(inline);
      if (value === undefined)
        result.mistake ??= `invalid value "${inline}" for ${spelled}: expected true or false`;
      else result.switches.set(option, { command: owner, value });
    } else result.args.push(spelled);
    return true;
  };

  for (let arg = next(); arg !== undefined; arg = next()) {
    const [, long, value] = /^(--[^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (arg === "--") {
      result.args.push(arg, ...args.slice(index));
      break;
    }
    if (long !== undefined) {
      if (!take(long, value)) result.args.push(arg);
    } else if (/^-./s.test(arg)) takeShort(arg.slice(1));
    else {
      const named = result.command.commands.find((known) => known.name() === arg);
      result.command = named ?? result.command;
      result.args.push(arg);
    }
  }
  return result;

  /** `letters` is what follows the dash: switches, and at the end perhaps a flag with its value. */
  function takeShort(letters: string): void {
    for (let at = 0; at < letters.length; at++) {
      const rest = letters.slice(at + 1);
      const [, inline] = /^=(.*)$/s.exec(rest) ?? [];
      if (!take(`-${letters[at]}`, inline, inline ?? (rest || undefined))) {
        result.args.push(`-${letters.slice(at)}`);
        return;
      }
      const takesValue = findOption(result.command, `-${letters[at]}`)!.option.required;
      if (takesValue || inline !== undefined) return;
    }
  }
}

/** The option of a command, or of one above it. */
function findOption(
  command: Command,
  spelled: string,
): { option: Option; owner: Command } | undefined {
  for (let owner: Command | null = command; owner; owner = owner.parent) {
    const option = owner.options.find(({ long, short }) => long === spelled || short === spelled);
    if (option) return { option, owner };
  }
  return undefined;
}

/** Go's `strconv.ParseBool`. */
function parseSwitch(text: string): boolean | undefined {
  if (/^(1|t|T|true|True|TRUE)$/.test(text)) return true;
  return /^(0|f|F|false|False|FALSE)$/.test(text) ? false : undefined;
}
