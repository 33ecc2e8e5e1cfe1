#!/usr/bin/env node
import { parseCommandLine, runMain } from "../../runtime/command_line.ts";
import { dfgetCommand } from "./command.ts";

await runMain("dfget", async () => {
  let exitCode = 0;
  const program = dfgetCommand((code) => {
    exitCode = code;
  });
  const args = process.argv.slice(2);
  if (args.length === 0) {
    // As v1 does: a bare `dfget` is a mistake, and shows what it can do.
    process.stderr.write(`dfget: no URL: give one with --url\n\n${program.helpInformation()}`);
    return 1;
  }
  await parseCommandLine(program, args);
  return exitCode;
});
