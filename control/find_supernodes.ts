import { parseSupernode, readDfgetSettings, type SupernodeAddress } from "../peer/mod.ts";
import { loadConfig } from "../proxy/mod.ts";
import { splitList, UsageError } from "../runtime/command_line.ts";
import { HttpClient } from "../runtime/http_client.ts";
import { SupernodeApi } from "./supernode_api.ts";

/** Whom to ask, as typed. */
export interface TargetFlags {
  supernode?: string;
  /** dfdaemon.yml of another place. */
  config?: string;
}

/**
 * The supernodes to ask: those of `--supernode`, else those of dfdaemon.yml and dfget.yml on this host,
 * else one on this host.
 *
 * @throws {UsageError | ConfigError}
 */
export async function findSupernodes(flags: TargetFlags): Promise<SupernodeApi[]> {
  const http = new HttpClient();
  const addresses = await addressesOf(flags);
  return addresses.map((address) => new SupernodeApi(address, http));
}

async function addressesOf({ supernode, config: file }: TargetFlags): Promise<SupernodeAddress[]> {
  if (supernode !== undefined) return splitList(supernode).map(addressOf);
  const config = await loadConfig({ file, env: process.env, flags: {} });
  const flags = [...config.dfget_flags];
  if (config.supernodes.length > 0) flags.push("--node", config.supernodes.join(","));
  const { supernodes } = await readDfgetSettings(flags);
  return supernodes.length > 0 ? supernodes : [{ host: "127.0.0.1", port: 8002, weight: 1 }];
}

function addressOf(text: string): SupernodeAddress {
  const address = parseSupernode(text);
  if (address) return address;
  throw new UsageError(`--supernode: "${text}": expected host[:8002]`);
}
