import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { durationSchema } from "../../protocol/duration.ts";
import { UsageError } from "../../runtime/command_line.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { openLinks } from "../../runtime/links/links.ts";
import { firstAddress } from "../../runtime/local_address.ts";
import { closeLogging, configureLogging, getLogger } from "../../runtime/logger.ts";
import { RateLimiter } from "../../runtime/rate_limit/rate_limiter.ts";
import { closeTracing, startTracing } from "../../runtime/tracing/tracing.ts";
import { startPeerServer } from "../serve/peer_server.ts";
import { Catalog } from "../store/catalog.ts";
import { ALIVE_MS, EXPIRE_MS } from "../store/expiry.ts";
import { SupernodeList } from "../supernode/supernode_list.ts";
import type { ServerFlags } from "./server_command.ts";
import { parseAliases, parseFlag, parseIp, parsePort, readServerSettings } from "./settings.ts";

const log = getLogger("dfserver");

/**
 * Serves this host's files until nobody has asked for a while, or a signal ends it.
 *
 * @throws {UsageError} for flags that make no sense
 */
export async function runServer(flags: ServerFlags): Promise<void> {
  const home = resolve(flags.home ?? join(homedir(), ".small-dragonfly"));
  const ip = flags.ip === undefined ? firstAddress() : parseIp(flags.ip);
  const expireMs = parseFlag("--expiretime", durationSchema, flags.expiretime) ?? EXPIRE_MS;
  const aliveMs = parseFlag("--alivetime", durationSchema, flags.alivetime) ?? ALIVE_MS;
  if (aliveMs <= 0) throw new UsageError("--alivetime must be more than 0");
  const settings = await readServerSettings(flags);
  await configureLogging({
    ...settings.logConfig,
    files: { dfserver: join(home, "logs", "dfserver.log") },
    verbose: flags.verbose ?? false,
  });
  await startTracing("dfget server", settings.tracing, log);
  const links = await openLinks(settings.links, log);
  const http = new HttpClient({ hostAliases: parseAliases(flags.hostAlias ?? []), links });
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
    links,
    supernodes: new SupernodeList([], http),
    port: flags.port === undefined ? 0 : parsePort(flags.port),
    expireMs,
    aliveMs,
    limit: { totalLimit: 0 },
    upload: new RateLimiter(settings.uploadLimit ?? 0),
    onIdle: () => end(`nobody asked for ${aliveMs} ms`),
  });
  process.stdout.write(`dfget server is listening on ${ip}, port:${server.port}\n`);
  // The expiry timer alone does not keep a process alive.
  const keepAlive = setInterval(() => {}, 60_000);
  const reason = await ended;
  clearInterval(keepAlive);
  log.info("ending: {reason}", { reason });
  await server.withdrawAll();
  await server.close();
  http.close();
  links?.close();
  await closeTracing();
  await closeLogging();
}
