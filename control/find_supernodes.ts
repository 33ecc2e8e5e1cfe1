import { parseSupernode, readDfgetSettings, type SupernodeAddress } from "../peer/mod.ts";
import { loadConfig } from "../proxy/mod.ts";
import { splitList, UsageError } from "../runtime/command_line.ts";
import { HttpClient } from "../runtime/http_client.ts";
import { openLinks } from "../runtime/links/links.ts";
import type { LinkSettings } from "../runtime/links/settings.ts";
import { getLogger } from "../runtime/logger.ts";
import { SupernodeApi } from "./supernode_api.ts";

/** Whom to ask, as typed. */
export interface TargetFlags {
  supernode?: string;
  /** dfdaemon.yml of another place. */
  config?: string;
}

/**
 * The supernodes to ask: those of `--supernode`, else those of dfdaemon.yml and dfget.yml on this host,
 * else one on this host. Where these files say how our programs prove who they are, this one does so too.
 *
 * @throws {UsageError | ConfigError}
 */
export async function findSupernodes(flags: TargetFlags): Promise<SupernodeApi[]> {
  const named = flags.supernode === undefined ? [] : splitList(flags.supernode).map(addressOf);
  const { supernodes, links } = await configured(flags);
  const http = new HttpClient({ links: await openLinks(links, getLogger("dfctl")) });
  const addresses = named.length > 0 ? named : supernodes;
  return addresses.map((address) => new SupernodeApi(address, http));
}

/** What this host's configuration says. */
async function configured({
  config: file,
}: TargetFlags): Promise<{ supernodes: SupernodeAddress[]; links: LinkSettings | undefined }> {
  const config = await loadConfig({ file, env: process.env, flags: {} });
  const flags = [...config.dfget_flags];
  if (config.supernodes.length > 0) flags.push("--node", config.supernodes.join(","));
  const { supernodes, links } = await readDfgetSettings(flags);
  const { tls, secretFile } = config;
  return {
    supernodes: supernodes.length > 0 ? supernodes : [{ host: "127.0.0.1", port: 8002, weight: 1 }],
    links: tls || secretFile ? { tls, secretFile } : links,
  };
}

function addressOf(text: string): SupernodeAddress {
  const address = parseSupernode(text);
  if (address) return address;
  throw new UsageError(`--supernode: "${text}": expected host[:8002]`);
}
