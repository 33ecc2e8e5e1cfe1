import type { Command, Option } from "commander";
import { table } from "./table.ts";

const INTRODUCTION = `# Command line reference

Flags are spelled as for v1: \`--flag value\`, \`--flag=value\`, \`-f value\`, \`-fvalue\`; switches also
\`--switch=false\`. The last of a repeated flag counts, unless it is repeatable. Every command takes \`-h\` and
\`--help\`. A program's flags may stand behind its
sub-commands, too, and are not repeated there.

This page is generated from the commands: \`npm run reference\` writes it.
`;

/** The reference of all programs' command lines, as Markdown. */
export function cliPage(programs: readonly Command[]): string {
  return [INTRODUCTION, ...programs.map((program) => section(program, program.name(), 2))].join(
    "\n",
  );
}

function section(command: Command, name: string, level: number): string {
  const inherited = optionsAbove(command);
  const parts = [
    `${"#".repeat(level)} ${name}\n`,
    `\`${name} ${command.usage()}\`\n`,
    `${sentence(command.description())}\n`,
  ];
  const rows = [
    ...command.registeredArguments.map((one) => [
      `\`${one.required ? `<${one.name()}>` : `[${one.name()}]`}\``,
      "",
      one.description,
    ]),
    ...command.options.filter(({ flags }) => !inherited.has(flags)).map(optionRow),
  ];
  if (rows.length > 0) parts.push(table(["argument", "default", "what"], rows));
  const below = command.commands.map((child) =>
    section(child, `${name} ${child.name()}`, Math.min(level + 1, 4)),
  );
  return [...parts, ...below].join("\n");
}

function optionRow({ flags, description, defaultValue, argChoices }: Option): string[] {
  const [, what, told] = /^(.*?)(?: \(default: (.*)\))?$/s.exec(description) ?? [];
  const choices = argChoices ? `: ${argChoices.join(", ")}` : "";
  return [
    `\`${flags}\``,
    told ?? (defaultValue === undefined ? "" : String(defaultValue)),
    `${what}${choices}`,
  ];
}

function optionsAbove({ parent }: Command): Set<string> {
  if (!parent) return new Set();
  return new Set([...optionsAbove(parent), ...parent.options.map(({ flags }) => flags)]);
}

/** A description as a sentence, or several. */
function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
