#!/usr/bin/env node
import { parseCommandLine, runMain } from "../../runtime/command_line.ts";
import { addStandardCommands } from "../../runtime/standard_commands.ts";
import { createDfgetCommand, type DfgetFlags } from "./flags.ts";
import { createServerCommand } from "./server_command.ts";

// What a command works with is read when it runs: dfget is started often, and to be done soon.
await runMain("dfget", async () => {
  let exitCode = 0;
  const program = createDfgetCommand("dfget")
    .argument("[url]", "the same as --url")
    .action(async (url: string | undefined, flags: DfgetFlags) => {
      const { runDownload } = await import("./run_download.ts");
      exitCode = await runDownload({ ...flags, url: flags.url ?? url });
    });
  program.addCommand(
    createServerCommand(async (code) => {
      exitCode = code;
    }),
  );
  addStandardCommands(program);
  const args = process.argv.slice(2);
  // As v1 does: a bare `dfget` asks what it can do.
  await parseCommandLine(program, args.length === 0 ? ["--help"] : args);
  return exitCode;
});
