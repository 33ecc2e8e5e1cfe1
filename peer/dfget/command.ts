import type { Command } from "commander";
import { UsageError } from "../../runtime/command_line.ts";
import { addStandardCommands } from "../../runtime/standard_commands.ts";
import { createDfgetCommand, type DfgetFlags } from "./flags.ts";
import { createServerCommand } from "./server_command.ts";

/**
 * The command line of `dfget`, as v1's reads it. What a command works with is read when it runs: dfget
 * is started often, and to be done soon.
 *
 * @param done told the exit code
 */
export function dfgetCommand(done: (exitCode: number) => void): Command {
  const program = createDfgetCommand("dfget")
    .argument("[url]", "the same as --url")
    .action(async (url: string | undefined, flags: DfgetFlags) => {
      if (url !== undefined && flags.url)
        throw new UsageError(`"${url}" is one too many: --url has the URL already`);
      const { runDownload } = await import("./run_download.ts");
      done(await runDownload({ ...flags, url: flags.url ?? url }));
    });
  program.addCommand(createServerCommand(async (exitCode) => done(exitCode)));
  return addStandardCommands(program);
}
