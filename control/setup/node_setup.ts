import { existsSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_CONFIG_FILE, loadConfig, type ProxyConfig } from "../../proxy/mod.ts";
import { isAuthority, splitPem } from "../../runtime/certificates.ts";
import { ConfigError } from "../../runtime/config_error.ts";
import type { HostFiles } from "./host_files.ts";
import { asNamed, type NodeSetup, registriesOf } from "./plan.ts";

/**
 * What the configuration of this node's dfdaemon means for its engines.
 *
 * @param registries instead of those that the configuration names
 * @throws {ConfigError}
 */
export async function readNodeSetup(
  host: HostFiles,
  configFile: string | undefined,
  registries: readonly string[] = [],
): Promise<NodeSetup> {
  const file = configFile ?? host.at(DEFAULT_CONFIG_FILE);
  if (configFile === undefined && !existsSync(file))
    throw new ConfigError(
      `${file}: no such file: configure dfdaemon first, or name its configuration by --config`,
    );
  const config = await loadConfig({ file, env: {}, flags: {} });
  return {
    dfdaemon: urlOf(config),
    ownAuthority: config.certpem ? await authorityOf(host, config.certpem) : undefined,
    impersonator: config.hijack_https
      ? await authorityOf(host, config.hijack_https.cert)
      : undefined,
    registries:
      registries.length > 0 ? [...new Set(registries.map(asNamed))] : registriesOf(config),
    mirrored: asNamed(new URL(config.registry_mirror.remote).host),
  };
}

/** Where engines on this host reach dfdaemon. */
export function urlOf({ certpem, hostIp, port }: ProxyConfig): string {
  const address = hostIp === "0.0.0.0" || hostIp === "::" ? "127.0.0.1" : hostIp;
  const name = address.includes(":") ? `[${address}]` : address;
  return `${certpem ? "https" : "http"}://${name}:${port}`;
}

/** What must be trusted for a certificate: the authority itself, or the last of a server's chain. */
async function authorityOf(host: HostFiles, path: string): Promise<string> {
  const pem = (await host.read(path)) ?? "";
  const chain = splitPem(pem);
  if (chain.length === 0)
    throw new ConfigError(`${join("/", path)}: no such file, or no certificate in PEM form`);
  const authority = chain.findLast((one) => isAuthority(one)) ?? chain.at(-1)!;
  return `${authority.trim()}\n`;
}
