#!/usr/bin/env node
import { parseCommandLine } from "../runtime/command_line.ts";
import { check } from "./check.ts";
import { checkCommand, readCheckOptions } from "./command.ts";
import { report, STATES, type State } from "./report.ts";

const UNKNOWN = STATES.indexOf("UNKNOWN");

let exitCode = 0;
const program = checkCommand(async (name, flags) => {
  const options = await readCheckOptions(name, flags);
  const { findings, figures } = await check(options, Date.now);
  say(report(`DRAGONFLY ${name.toUpperCase()}`, findings, figures));
});
try {
  // Only a look that was taken says OK: help and version do not.
  exitCode = (await parseCommandLine(program, process.argv.slice(2))) === 0 ? UNKNOWN : exitCode;
} catch (error) {
  // What is monitored shows the first line of standard output, and nothing else.
  const text = `${(error as Error).message} (try 'check_dragonfly --help')`;
  say(report("DRAGONFLY", [{ state: "UNKNOWN", text }]));
}
process.exitCode = exitCode;

function say({ state, line }: { state: State; line: string }): void {
  process.stdout.write(`${line}\n`);
  exitCode = STATES.indexOf(state);
}
