import type { Command } from "commander";
import { collect, createCommand } from "../runtime/command_line.ts";
import { addStandardCommands } from "../runtime/standard_commands.ts";

const DESCRIPTION = [
  "Looks at a peer-to-peer network of supernodes and nodes, and looks after it.",
  "The supernodes asked are those of --supernode, else those of dfdaemon.yml and dfget.yml on this host, else one on this host. What changes something at a supernode is for its own host, and for the addresses in adminClients of supernode.yml.",
  "Ends with 0, with 1 for wrong use, and with 2 where something could not be done; `doctor` with 0, 1 or 2 for the worst that it has found.",
].join("\n\n");

/**
 * The command line of `dfctl`. What a command works with is read when it runs.
 *
 * @param done told the exit code of a command that has one of its own
 */
export function controlCommand(done: (exitCode: number) => void): Command {
  const program = createCommand("dfctl")
    .summary("look at a Dragonfly network, and look after it")
    .description(DESCRIPTION)
    .option("-s, --supernode <hosts>", "supernodes to ask, host[:8002], comma separated")
    .option("--config <path>", "dfdaemon's configuration (default: /etc/dragonfly/dfdaemon.yml)")
    .option("--json", "print JSON, for other programs");

  program
    .command("status")
    .description("show how the supernodes are, and what they are at")
    .action(async (_flags, command: Command) => {
      const { showStatus } = await import("./commands/status.ts");
      await showStatus(command.optsWithGlobals());
    });
  program
    .command("tasks")
    .description("list what is being distributed, the task used last first")
    .option("--filter <text>", "only those whose URL has this in it")
    .action(async (_flags, command: Command) => {
      const { showTasks } = await import("./commands/tasks.ts");
      await showTasks(command.optsWithGlobals());
    });
  program
    .command("peers")
    .description("list the nodes")
    .action(async (_flags, command: Command) => {
      const { showPeers } = await import("./commands/peers.ts");
      await showPeers(command.optsWithGlobals());
    });
  program
    .command("task")
    .description("show who holds what of a task")
    .argument("<task>", "its id or the beginning of it, sha256:… of a blob, or its URL")
    .action(async (task: string, _flags, command: Command) => {
      const { showTask } = await import("./commands/task.ts");
      await showTask(task, command.optsWithGlobals());
    });
  void collect;
  void done;
  return addStandardCommands(program);
}
