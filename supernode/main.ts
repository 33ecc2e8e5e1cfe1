#!/usr/bin/env node
import "../runtime/heap_settings.ts";
import { join } from "node:path";
import { parseCommandLine, runMain } from "../runtime/command_line.ts";
import { checkLinks } from "../runtime/links/links.ts";
import { linkFiles } from "../runtime/links/settings.ts";
import { closeLogging, configureLogging, getLogger } from "../runtime/logger.ts";
import { onReload } from "../runtime/reload.ts";
import { serviceManager } from "../runtime/service_manager.ts";
import { refuseUnreadable, unreadableByService } from "../runtime/service_user.ts";
import { onShutdown } from "../runtime/shutdown.ts";
import { closeTracing, startTracing } from "../runtime/tracing/tracing.ts";
import { runtimeName, VERSION } from "../runtime/version.ts";
import { supernodeCommand } from "./command.ts";
import { type ConfigSources, formatConfig, loadConfig } from "./config.ts";
import { withDefaults } from "./settings.ts";
import { prepareHome, startSupernode } from "./start.ts";

const log = getLogger("supernode");

await runMain("supernode", () =>
  parseCommandLine(supernodeCommand({ run, config, defaults, check }), process.argv.slice(2)),
);

async function run(sources: ConfigSources): Promise<void> {
  const { config, warnings } = await loadConfig(sources);
  await prepareHome(config);
  await configureLogging({
    ...config.logConfig,
    files: { supernode: config.logConfig.path || join(config.homeDir, "logs", "app.log") },
    verbose: config.debug,
    stderr: true,
  });
  const manager = serviceManager(process.env, (reason) =>
    log.warn("cannot speak to systemd: {reason}", { reason }),
  );
  await startTracing("supernode", config.tracing, log);
  const starting = startSupernode(config);
  // It may be told to reload, or to end, as soon as it listens.
  onReload(log, async () => {
    const next = await loadConfig(sources);
    for (const warning of next.warnings) log.warn("{warning}", { warning });
    return (await starting).reload(next.config);
  });
  onShutdown(async () => {
    log.info("stopping");
    void manager.stopping();
    await (await starting).close();
    await closeTracing();
    await closeLogging();
  });
  const supernode = await starting;
  for (const warning of warnings) log.warn("{warning}", { warning });
  log.info("started: version {version} on {runtime}", { version: VERSION, runtime: runtimeName() });
  const { listenIp, listenPort, downloadPort, advertiseIp } = supernode;
  const files = downloadPort === listenPort ? "" : `, files on ${listenIp}:${downloadPort}`;
  process.stdout.write(
    `supernode listens on ${listenIp}:${listenPort}${files}, known to peers as ${advertiseIp} (cdn pattern ${config.cdnPattern}, home ${config.homeDir})\n`,
  );
  await manager.ready();
}

async function config(sources: ConfigSources): Promise<void> {
  process.stdout.write(formatConfig((await loadConfig(sources)).config));
}

async function check(sources: ConfigSources): Promise<void> {
  const { config, warnings } = await loadConfig(sources);
  await checkLinks(config, log);
  refuseUnreadable(await unreadableByService("dragonfly-supernode", linkFiles(config)));
  for (const warning of warnings) process.stderr.write(`${warning}\n`);
  process.stdout.write("the configuration can be used\n");
}

function defaults(): void {
  process.stdout.write(formatConfig(withDefaults()));
}
