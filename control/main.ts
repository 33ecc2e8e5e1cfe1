#!/usr/bin/env node
import { parseCommandLine, runMain } from "../runtime/command_line.ts";
import { controlCommand } from "./command.ts";

await runMain("dfctl", async () => {
  let exitCode = 0;
  const program = controlCommand((code) => {
    exitCode = code;
  });
  const args = process.argv.slice(2);
  const ended = await parseCommandLine(program, args.length === 0 ? ["--help"] : args);
  return ended ?? exitCode;
});
