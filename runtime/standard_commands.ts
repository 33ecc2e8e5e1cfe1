import type { Command } from "commander";
import { createDocCommand } from "./command_doc.ts";
import { createCommand, versionLine } from "./command_line.ts";
import { createCompletionCommand } from "./completion.ts";
import { runtimeName } from "./version.ts";

/** Gives a program the sub-commands that all of v1's have: `version`, `gen-doc`, `completion`, `help`. */
export function addStandardCommands(program: Command): Command {
  const version = versionLine(program.name(), runtimeName());
  const versionCommand = createCommand("version")
    .description("show the version")
    .action(() => {
      process.stdout.write(`${version}\n`);
    });
  program.version(version, "--version", "show the version");
  program.addCommand(versionCommand);
  program.addCommand(createDocCommand(program));
  program.addCommand(createCompletionCommand(program));
  return program.helpCommand("help [command]", "show the help of a command");
}
