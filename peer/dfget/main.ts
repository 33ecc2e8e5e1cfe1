#!/usr/bin/env node
import { createDocCommand } from "../../runtime/command_doc.ts";
import {
  createCommand,
  parseCommandLine,
  runMain,
  versionLine,
} from "../../runtime/command_line.ts";
import { runtimeName } from "../../runtime/version.ts";
import { createDfgetCommand, type DfgetFlags } from "./flags.ts";
import { runDownload } from "./run_download.ts";
import { createServerCommand } from "./server_command.ts";

await runMain("dfget", async () => {
  let exitCode = 0;
  const program = createDfgetCommand("dfget")
    .argument("[url]", "the same as --url")
    .action(async (url: string | undefined, flags: DfgetFlags) => {
      exitCode = await runDownload({ ...flags, url: flags.url ?? url });
    });
  program.addCommand(
    createServerCommand(async (code) => {
      exitCode = code;
    }),
  );
  program.addCommand(
    createCommand("version")
      .description("show the version")
      .action(() => {
        process.stdout.write(`${versionLine("dfget", runtimeName())}\n`);
      }),
  );
  program.addCommand(createDocCommand(program));
  program.version(versionLine("dfget", runtimeName()), "--version", "show the version");
  await parseCommandLine(program, process.argv.slice(2));
  return exitCode;
});
