import type { Command, Option } from "commander";

/**
 * The man page of a program: its own flags, and its sub-commands with theirs, in roff.
 *
 * @param section of the manual: 1 for commands, 8 for daemons
 */
export function manPage(program: Command, section: number): string {
  const name = program.name();
  const lines = [
    `.TH ${name.toUpperCase()} ${section} "" "dragonfly" "Dragonfly"`,
    ".SH NAME",
    `${name} \\- ${roff(firstWords(program.summary() || program.description()))}`,
    ".SH SYNOPSIS",
    `.B ${name}`,
    roff(program.usage()),
    ".SH DESCRIPTION",
    roff(program.description()),
    ".SH OPTIONS",
    ...options(program),
  ];
  const subcommands = below(program);
  if (subcommands.length > 0) lines.push(".SH COMMANDS");
  for (const { path, command } of subcommands) {
    lines.push(`.SS ${roff(`${path} ${command.usage()}`)}`, roff(command.description()));
    lines.push(...options(command));
  }
  const config = program.options.find(({ long }) => long === "--config");
  if (config) {
    const [file] = /\/etc\/dragonfly\/\w+\.yml/.exec(config.description) ?? [];
    lines.push(
      ".SH FILES",
      `.TP\n.I ${file ?? `/etc/dragonfly/${name}.yml`}`,
      "Configuration; its keys are in reference/configuration.md of the package's documentation.",
    );
  }
  return `${lines.join("\n")}\n`;
}

function options(command: Command): string[] {
  return command.options.flatMap((option: Option) => [
    ".TP",
    `.B ${roff(option.flags)}`,
    roff(option.description),
  ]);
}

function below(command: Command, prefix = ""): { path: string; command: Command }[] {
  return command.commands.flatMap((child) => {
    const path = `${prefix}${child.name()}`;
    return [{ path, command: child }, ...below(child, `${path} `)];
  });
}

/** A sentence without its full stop, in lower case, as the NAME section has it. */
function firstWords(sentence: string): string {
  const text = sentence.replace(/\.$/, "");
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Keeps roff from reading backslashes, hyphens, and dots or quotes at a line's beginning. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&");
}
