import { join } from "node:path";
import { type PeerOptions, readDfgetSettings } from "../peer/mod.ts";
import { UsageError } from "../runtime/command_line.ts";
import { ConfigError } from "../runtime/config_error.ts";
import { type LocalAddress, localAddressTowards } from "../runtime/local_address.ts";
import type { ProxyConfig } from "./settings.ts";

/** How a node that is told no address of its own finds one. */
export interface ChosenAddress {
  /** Whether the one that was found is more than a guess. */
  isSure: boolean;
  /** Looks again. */
  choose(): Promise<LocalAddress>;
}

/** Of the peer inside dfdaemon. */
export interface NodePeerOptions extends PeerOptions {
  /** Absent where the configuration names the address. */
  chosen?: ChosenAddress | undefined;
}

/**
 * What the peer inside dfdaemon is started with: dfdaemon.yml, its `dfget_flags`, and dfget.yml, as
 * v1 starts its dfget processes (protocol §5).
 *
 * @param dfgetConfigFile instead of `/etc/dragonfly/dfget.yml`
 * @throws {ConfigError} for flags, files or addresses that cannot be used
 */
export async function readPeerOptions(
  config: ProxyConfig,
  dfgetConfigFile?: string,
): Promise<NodePeerOptions> {
  const { tls, secretFile } = config;
  const flags = [...config.dfget_flags];
  if (config.supernodes.length > 0) flags.push("--node", config.supernodes.join(","));
  const settings = await readDfgetSettings(flags, dfgetConfigFile).catch((error: Error) => {
    throw error instanceof UsageError ? new ConfigError(`dfget_flags: ${error.message}`) : error;
  });
  const [first] = settings.supernodes;
  const choose = () => localAddressTowards(first?.host ?? "127.0.0.1", first?.port ?? 1);
  const configured = settings.ip || config.localIP;
  const found = configured ? { address: configured, isSure: true } : await choose();
  return {
    ip: found.address,
    chosen: configured ? undefined : { isSure: found.isSure, choose },
    port: settings.port ?? config.peerPort,
    dataDir: join(settings.home ?? config.workHome, "data"),
    supernodes: settings.supernodes,
    localLimit: config.ratelimit,
    totalLimit: config.ratelimit,
    ...(settings.uploadLimit === undefined ? {} : { uploadLimit: settings.uploadLimit }),
    ...(settings.minRate === undefined ? {} : { minRate: settings.minRate }),
    ...(settings.clientQueueSize === undefined ? {} : { maxInFlight: settings.clientQueueSize }),
    ...(settings.filter.length === 0 ? {} : { filter: settings.filter }),
    ...(settings.expireMs === undefined ? {} : { expireMs: settings.expireMs }),
    ...(settings.callSystem === undefined ? {} : { callSystem: settings.callSystem }),
    ...(settings.zone === undefined ? {} : { zone: settings.zone }),
    dfdaemon: true,
    hostAliases: { ...settings.hostAliases, ...config.hostAliases },
    links:
      tls || secretFile
        ? { tls: tls ?? undefined, secretFile: secretFile || undefined }
        : settings.links,
  };
}
