#!/usr/bin/env node
import { parseCommandLine, runMain } from "../../runtime/command_line.ts";
import { dfgetCommand } from "./command.ts";

await runMain("dfget", async () => {
  let exitCode = 0;
  const program = dfgetCommand((code) => {
    exitCode = code;
  });
  await parseCommandLine(program, process.argv.slice(2));
  return exitCode;
});
