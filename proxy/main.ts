#!/usr/bin/env node
import "../runtime/heap_settings.ts";
import { dirname, join } from "node:path";
import { parseCommandLine, runMain } from "../runtime/command_line.ts";
import { checkLinks } from "../runtime/links/links.ts";
import { closeLogging, configureLogging, getLogger } from "../runtime/logger.ts";
import { onReload } from "../runtime/reload.ts";
import { serviceManager } from "../runtime/service_manager.ts";
import { refuseUnreadable } from "../runtime/service_user.ts";
import { onShutdown } from "../runtime/shutdown.ts";
import { closeTracing, startTracing } from "../runtime/tracing/tracing.ts";
import { dfdaemonCommand } from "./command.ts";
import { type ConfigSources, formatConfig, loadConfig } from "./config.ts";
import { expiredOnes, loadReferences, unreadableByDfdaemon } from "./credentials.ts";
import { type GenCaFlags, generateAuthority } from "./gen_ca.ts";
import { readPeerOptions } from "./peer_options.ts";
import { defaultConfig } from "./settings.ts";
import { startProxy } from "./start.ts";

const log = getLogger("dfdaemon");

await runMain("dfdaemon", () =>
  parseCommandLine(
    dfdaemonCommand({ run, config, defaults, check, generateAuthority: makeAuthority }),
    process.argv.slice(2),
  ),
);

async function run(sources: ConfigSources): Promise<void> {
  const config = await loadConfig(sources);
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
  await startTracing("dfdaemon", config.tracing, log);
  const starting = startProxy({ config, peerOptions });
  // It may be told to reload, or to end, as soon as it listens.
  onReload(log, async () => (await starting).reload(await loadConfig(sources)));
  onShutdown(async () => {
    void manager.stopping();
    await (await starting).close();
    await closeTracing();
    await closeLogging();
  });
  await starting;
  await manager.ready();
}

async function config(sources: ConfigSources): Promise<void> {
  process.stdout.write(formatConfig(await loadConfig(sources)));
}

function defaults(): void {
  process.stdout.write(formatConfig(defaultConfig()));
}

async function makeAuthority(flags: GenCaFlags): Promise<void> {
  process.stdout.write(await generateAuthority(flags));
}

async function check(sources: ConfigSources): Promise<void> {
  const config = await loadConfig(sources);
  const [loaded, { links }] = await Promise.all([loadReferences(config), readPeerOptions(config)]);
  await checkLinks(links, log);
  refuseUnreadable(await unreadableByDfdaemon(config, links));
  for (const what of expiredOnes(loaded, Date.now())) process.stdout.write(`${what}\n`);
  process.stdout.write("the configuration can be used\n");
}
