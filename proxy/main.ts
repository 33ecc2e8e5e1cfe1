#!/usr/bin/env node
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { collectList, createCommand, parseCommandLine, runMain } from "../runtime/command_line.ts";
import { configureLogging, getLogger } from "../runtime/logger.ts";
import { onReload } from "../runtime/reload.ts";
import { serviceManager } from "../runtime/service_manager.ts";
import { onShutdown } from "../runtime/shutdown.ts";
import { addStandardCommands } from "../runtime/standard_commands.ts";
import { defaultConfig, formatConfig, loadConfig, type Settings } from "./config.ts";
import { loadReferences } from "./credentials.ts";
import { type GenCaFlags, generateAuthority } from "./gen_ca.ts";
import { readPeerOptions } from "./peer_options.ts";
import { startProxy } from "./start.ts";

const log = getLogger("dfdaemon");

/** dfdaemon's flags as typed (protocol §5). */
interface Flags {
  config?: string;
  node?: string[];
  registry?: string;
  streamMode?: boolean;
  verbose?: boolean;
  [text: string]: string | string[] | boolean | undefined;
}

await runMain("dfdaemon", async () => {
  const program = createProgram();
  return parseCommandLine(program, process.argv.slice(2));
});

function createProgram(): Command {
  const program = createCommand("dfdaemon")
    .description("A proxy and registry mirror that pulls images by way of other nodes.")
    .option("--config <path>", "configuration file (default: /etc/dragonfly/dfdaemon.yml)")
    .option("--port <port>", "port to listen on (default: 65001)")
    .option("--hostIp <address>", "address to listen on (default: 127.0.0.1)")
    .option("--certpem <path>", "certificate chain by which dfdaemon is reached by TLS")
    .option("--keypem <path>", "its key")
    .option("--registry <url>", "registry to mirror; overrides registry_mirror.remote")
    .option("--node <nodes>", "supernodes, host[:8002][=weight], comma separated", collectList)
    .option("--ratelimit <rate>", "limit of downloads, such as 20M (default: 20M)")
    .option("--workHome <path>", "cache and logs (default: $HOME/.small-dragonfly)")
    .option("--peerPort <port>", "port of the peer server (default: any free one)")
    .option("--localrepo <path>", "accepted for v1's sake; has no effect")
    .option("--dfpath <path>", "accepted for v1's sake; has no effect")
    .option("--streamMode", "accepted for v1's sake; has no effect")
    .option("--maxprocs <number>", "accepted for v1's sake; has no effect")
    .option("--verbose", "log more")
    .action(async (flags: Flags) => run(flags));
  const config = program
    .command("config")
    .description("show the configuration in effect, as YAML")
    .action(async () => {
      process.stdout.write(formatConfig(await configFrom(program.opts<Flags>())));
    });
  config
    .command("default")
    .description("show the default configuration, as YAML")
    .action(() => {
      process.stdout.write(formatConfig(defaultConfig()));
    });
  config
    .command("check")
    .description("say whether this configuration can be used; ends with 1 where it cannot")
    .action(async () => {
      const config = await configFrom(program.opts<Flags>());
      await Promise.all([loadReferences(config), readPeerOptions(config)]);
      process.stdout.write("the configuration can be used\n");
    });
  program
    .command("gen-ca")
    .description("make an authority for hijack_https: certificate and key")
    .option("--cert-output <path>", "where to put the certificate", "/tmp/ca.crt")
    .option("--key-output <path>", "where to put the key", "/tmp/ca.key")
    .option("--common-name <name>", "its common name (default: the host's name)")
    .option("--expire-duration <duration>", "how long it is good for", "87600h")
    .option("--overwrite", "replace files that are there already")
    .action(async (flags: GenCaFlags) => generateAuthority(flags));
  return addStandardCommands(program);
}

function configFrom(flags: Flags) {
  const { config: file, node, registry, streamMode, verbose, ...texts } = flags;
  const settings: Settings = { ...(texts as Settings) };
  if (node) settings.supernodes = node.join(",");
  if (registry !== undefined) settings["registry_mirror.remote"] = registry;
  if (streamMode !== undefined) settings.streamMode = String(streamMode);
  if (verbose !== undefined) settings.verbose = String(verbose);
  return loadConfig({ file, env: process.env, flags: settings });
}

async function run(flags: Flags): Promise<void> {
  const config = await configFrom(flags);
  const peerOptions = await readPeerOptions(config);
  const peerLogs = join(dirname(peerOptions.dataDir), "logs");
  await configureLogging({
    ...config.logConfig,
    files: {
      dfdaemon: config.logConfig.path || join(config.workHome, "logs", "dfdaemon.log"),
      dfclient: join(peerLogs, "dfclient.log"),
      dfserver: join(peerLogs, "dfserver.log"),
    },
    verbose: config.verbose,
    stderr: true,
  });
  const manager = serviceManager(process.env, (reason) =>
    log.warn("cannot speak to systemd: {reason}", { reason }),
  );
  const starting = startProxy({ config, peerOptions });
  // It may be told to reload, or to end, as soon as it listens.
  onReload(log, async () => (await starting).reload(await configFrom(flags)));
  onShutdown(async () => {
    void manager.stopping();
    await (await starting).close();
  });
  await starting;
  await manager.ready();
}
