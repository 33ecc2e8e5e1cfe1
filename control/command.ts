import type { Command } from "commander";
import { createCommand } from "../runtime/command_line.ts";
import { addStandardCommands } from "../runtime/standard_commands.ts";

const DESCRIPTION = [
  "Looks at a peer-to-peer network of supernodes and nodes, and looks after it.",
  "The supernodes asked are those of --supernode, else those of dfdaemon.yml and dfget.yml on this host, else one on this host. What changes something at a supernode is for its own host, and for the addresses in adminClients of supernode.yml.",
  "Ends with 0, with 1 for wrong use, and with 2 where something could not be done; `doctor` with 0, 1 or 2 for the worst that it has found.",
].join("\n\n");

const WHICH_TASK = "its id, the digest of a blob, or the beginning of either; or its URL";

/**
 * The command line of `dfctl`. What a command works with is read when it runs.
 *
 * @param done told the exit code of a command that has one of its own
 */
export function controlCommand(done: (exitCode: number) => void): Command {
  const program = createCommand("dfctl")
    .summary("look at a Dragonfly network, and look after it")
    .configureHelp({ showGlobalOptions: true })
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
    .argument("<task>", WHICH_TASK)
    .action(async (task: string, _flags, command: Command) => {
      const { showTask } = await import("./commands/task.ts");
      await showTask(task, command.optsWithGlobals());
    });
  program
    .command("preheat")
    .description("have the supernodes fetch an image, or a file, before anyone asks for it")
    .argument("<image>", "[host/]repository[:tag], or a URL")
    .option("--platform <platform>", "of an image for several: only os/architecture[/variant]")
    .option("--wait", "show how it goes, and end when it has ended")
    .option("--plain-http", "the registry speaks http, not https")
    .option(
      "--authfile <path>",
      "send the credentials that docker login or podman login wrote there",
    )
    .action(async (image: string, _flags, command: Command) => {
      const { preheat } = await import("./commands/preheat.ts");
      await preheat(image, command.optsWithGlobals());
    });
  program
    .command("rm")
    .description("have the supernodes forget a task and delete their copies; nodes keep theirs")
    .argument("<task>", WHICH_TASK)
    .option("--force", "also while nodes are fetching it: they begin anew")
    .action(async (task: string, _flags, command: Command) => {
      const { removeTask } = await import("./commands/remove.ts");
      await removeTask(task, command.optsWithGlobals());
    });
  program
    .command("drain")
    .description("have a supernode take no new work, and finish what it has, until it is restarted")
    .option("--undo", "have it take work again")
    .option("--wait", "end when it has nothing more to do, and can be stopped")
    .option("--timeout <duration>", "wait no longer", "10m")
    .action(async (_flags, command: Command) => {
      const { drain } = await import("./commands/drain.ts");
      await drain(command.optsWithGlobals());
    });
  program
    .command("setup")
    .description(
      "have a container engine pull through this node's dfdaemon, after showing what changes",
    )
    .argument("<engine>", "docker, containerd, crio or podman")
    .option("--undo", "give back, byte for byte, what stood there before")
    .option(
      "--registry <hosts>",
      "these registries instead of those in dfdaemon.yml, comma separated",
    )
    .option("-y, --yes", "do not ask")
    .option("--force", "also where a file was changed since")
    .option("--restart", "have the engine read it, where that takes a restart or reload")
    .option("--root <directory>", "of an image or another root, instead of this host", "/")
    .action(async (engine: string, _flags, command: Command) => {
      const { setup } = await import("./commands/setup.ts");
      await setup(engine, command.optsWithGlobals());
    });
  program
    .command("doctor")
    .description("look for all that can be wrong on this node, and say what to do about it")
    .option("--image <image>", "try a pull of this one; without it, one that the registry lists")
    .option(
      "--authfile <path>",
      "with the credentials that docker login or podman login wrote there",
    )
    .option("--root <directory>", "where the configuration of container engines is read", "/")
    .action(async (_flags, command: Command) => {
      const { doctor } = await import("./commands/doctor.ts");
      done(await doctor(command.optsWithGlobals()));
    });
  return addStandardCommands(program);
}
