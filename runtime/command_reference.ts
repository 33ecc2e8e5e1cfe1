import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { manPage } from "./man_page.ts";

/**
 * Writes what a program takes to a file in `directory`, which is made where it is missing: `<program>.md`, or with
 * a section of the manual the man page, as `<program>.8`.
 *
 * @returns the file's path
 */
export async function writeCommandReference(
  program: Command,
  directory: string,
  section?: number,
): Promise<string> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, `${program.name()}.${section ?? "md"}`);
  await writeFile(file, section ? manPage(program, section) : commandReference(program));
  return file;
}

/** What a program and its sub-commands take, as Markdown. */
export function commandReference(program: Command): string {
  return allCommands(program)
    .map((command, index) => {
      const title = `${index === 0 ? "#" : "##"} ${fullName(command)}`;
      return `${title}\n\n\`\`\`\n${command.helpInformation().trim()}\n\`\`\`\n`;
    })
    .join("\n");
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

/** A command's name behind those of the commands above it. */
function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}
