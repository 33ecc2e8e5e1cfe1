import type { Command } from "commander";
import { collect, createCommand } from "../../runtime/command_line.ts";
import { tracingOption, uploadLimitOption } from "./flags.ts";

/** Flags of `dfget server`, as typed. */
export interface ServerFlags {
  ip?: string;
  port?: string;
  home?: string;
  data?: string;
  meta?: string;
  expiretime?: string;
  alivetime?: string;
  uploadlimit?: string;
  hostAlias?: string[];
  tracing?: string;
  config?: string;
  verbose?: boolean;
}

/** `dfget server`: the peer server of a host, which ends by itself when nobody needs it. */
export function createServerCommand(onEnd: (exitCode: number) => Promise<void>): Command {
  return createCommand("server")
    .description("Hand this host's files to other nodes until nobody has asked for a while.")
    .option("--ip <address>", "address to listen on, and that other nodes reach this one at")
    .option("--port <port>", "port to listen on, 15000 to 65000 (default: any free one)")
    .option("--home <path>", "work home (default: $HOME/.small-dragonfly)")
    .option("--data <path>", "where the files lie (default: <home>/data)")
    .option("--meta <path>", "file that tells dfget which port this server has")
    .option("--expiretime <duration>", "delete a file this long after its last use (default: 3m0s)")
    .option("--alivetime <duration>", "end this long after the last request (default: 5m0s)")
    .option(
      "--host-alias <name=address>",
      "use this address for that host name (repeatable)",
      collect,
    )
    .addOption(uploadLimitOption())
    .addOption(tracingOption())
    .option(
      "--config <path>",
      "configuration file, for tls, secretFile, tracing and uploadLimit (default: /etc/dragonfly/dfget.yml)",
    )
    .option("--verbose", "log more")
    .action(async (flags: ServerFlags, command: Command) => {
      // Flags that both commands know are taken by the one they stand behind first.
      const { runServer } = await import("./run_server.ts");
      await runServer({ ...command.parent?.opts<ServerFlags>(), ...flags });
      await onEnd(0);
    });
}
