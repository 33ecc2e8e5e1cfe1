import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { durationSchema } from "../../protocol/duration.ts";
import { collect, createCommand, UsageError } from "../../runtime/command_line.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { firstAddress } from "../../runtime/local_address.ts";
import { closeLogging, configureLogging, getLogger } from "../../runtime/logger.ts";
import { startPeerServer } from "../serve/peer_server.ts";
import { Catalog } from "../store/catalog.ts";
import { ALIVE_MS, EXPIRE_MS } from "../store/expiry.ts";
import { SupernodeList } from "../supernode/supernode_list.ts";
import { parseAliases, parseFlag, parseIp, parsePort } from "./settings.ts";

interface ServerFlags {
  ip?: string;
  port?: string;
  home?: string;
  data?: string;
  meta?: string;
  expiretime?: string;
  alivetime?: string;
  hostAlias?: string[];
  verbose?: boolean;
}

const log = getLogger("dfserver");

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
    .option("--verbose", "log more")
    .action(async (flags: ServerFlags, command: Command) => {
      // Flags that both commands know are taken by the one they stand behind first.
      await runServer({ ...command.parent?.opts<ServerFlags>(), ...flags });
      await onEnd(0);
    });
}

async function runServer(flags: ServerFlags): Promise<void> {
  const home = resolve(flags.home ?? join(homedir(), ".small-dragonfly"));
  const ip = flags.ip === undefined ? firstAddress() : parseIp(flags.ip);
  const expireMs = parseFlag("--expiretime", durationSchema, flags.expiretime) ?? EXPIRE_MS;
  const aliveMs = parseFlag("--alivetime", durationSchema, flags.alivetime) ?? ALIVE_MS;
  if (aliveMs <= 0) throw new UsageError("--alivetime must be more than 0");
  await configureLogging({
    files: { dfserver: join(home, "logs", "dfserver.log") },
    verbose: flags.verbose ?? false,
  });
  const http = new HttpClient({ hostAliases: parseAliases(flags.hostAlias ?? []) });
  const catalog = new Catalog(flags.data ? resolve(flags.data) : join(home, "data"));
  await catalog.load();
  let end!: (reason: string) => void;
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  // It may be told to end as soon as it listens.
  process.on("SIGTERM", () => end("SIGTERM"));
  process.on("SIGINT", () => end("SIGINT"));
  const server = await startPeerServer({
    catalog,
    http,
    ip,
    supernodes: new SupernodeList([], http),
    port: flags.port === undefined ? 0 : parsePort(flags.port),
    expireMs,
    aliveMs,
    limit: { totalLimit: 0 },
    onIdle: () => end(`nobody asked for ${aliveMs} ms`),
  });
  process.stdout.write(`dfget server is listening on ${ip}, port:${server.port}\n`);
  // The dfget that started us reads that line and goes away.
  process.stdout.on("error", () => {});
  // The expiry timer alone does not keep a process alive.
  const keepAlive = setInterval(() => {}, 60_000);
  const reason = await ended;
  clearInterval(keepAlive);
  log.info("ending: {reason}", { reason });
  await server.withdrawAll();
  await server.close();
  http.close();
  await closeLogging();
}
