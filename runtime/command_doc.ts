import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { createCommand } from "./command_line.ts";
import { manPage } from "./man_page.ts";

/**
 * The `gen-doc` sub-command of v1's programs: writes `<program>.md`, all flags in it; with `--man 8`
 * the man page `<program>.8`.
 */
export function createDocCommand(program: Command): Command {
  return createCommand("gen-doc")
    .description(`write a page on the command line of ${program.name()}, in Markdown`)
    .option("-p, --path <directory>", "where to put it", "/tmp")
    .option("--man <section>", "write a man page instead, of this section", manSection)
    .action(async ({ path, man }: { path: string; man?: number }) => {
      await mkdir(path, { recursive: true });
      const file = join(path, `${program.name()}.${man ?? "md"}`);
      await writeFile(file, man ? manPage(program, man) : commandReference(program));
      process.stdout.write(`${file}\n`);
    });
}

function manSection(text: string): number {
  if (/^[1-9]$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a section of the manual, 1 to 9");
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
