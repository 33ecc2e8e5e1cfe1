import type { Command } from "commander";
import { controlCommand } from "../control/command.ts";
import { checkCommand } from "../monitoring/command.ts";
import { dfgetCommand } from "../peer/dfget/command.ts";
import { dfdaemonCommand } from "../proxy/command.ts";
import { supernodeCommand } from "../supernode/command.ts";

const nothing = async () => {};

/** The command lines of all programs, to be looked at, not run. */
export function allPrograms(): Command[] {
  const actions = { run: nothing, config: nothing, defaults: () => {}, check: nothing };
  return [
    supernodeCommand(actions),
    dfdaemonCommand({ ...actions, generateAuthority: nothing }),
    dfgetCommand(() => {}),
    controlCommand(() => {}),
    checkCommand(nothing),
  ];
}
