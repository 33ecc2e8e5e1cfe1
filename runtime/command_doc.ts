import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { createCommand } from "./command_line.ts";

/** The `gen-doc` sub-command of v1's programs: writes `<program>.md`, all flags in it. */
export function createDocCommand(program: Command): Command {
  return createCommand("gen-doc")
    .description(`write a page on the command line of ${program.name()}, in Markdown`)
    .option("-p, --path <directory>", "where to put it", "/tmp")
    .action(async ({ path }: { path: string }) => {
      await mkdir(path, { recursive: true });
      const file = join(path, `${program.name()}.md`);
      await writeFile(file, commandReference(program));
      process.stdout.write(`${file}\n`);
    });
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
