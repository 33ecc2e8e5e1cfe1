#!/usr/bin/env node
import { parseCommandLine, runMain } from "../../runtime/command_line.ts";
import { dfgetCommand } from "./command.ts";

await runMain("dfget", async () => {
  let exitCode = 0;
  const program = dfgetCommand((code) => {
    exitCode = code;
  });
  const args = process.argv.slice(2);
  // As v1 does: a bare `dfget` asks what it can do.
  await parseCommandLine(program, args.length === 0 ? ["--help"] : args);
  return exitCode;
});
