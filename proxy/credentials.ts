import {
  CertificateError,
  checkKeyPair,
  expiryOf,
  type KeyPair,
  splitPem,
} from "../runtime/certificates.ts";
import { ConfigError } from "../runtime/config_error.ts";
import { type NamedFile, readNamedFile } from "../runtime/config_file.ts";
import { type LinkSettings, linkFiles } from "../runtime/links/settings.ts";
import { type Unreadable, unreadableByService } from "../runtime/service_user.ts";
import type { TlsTrust } from "../runtime/tls_trust.ts";
import { compileGoRegexp } from "./go_regexp.ts";
import type { Rules } from "./rules.ts";
import type { ProxyConfig } from "./settings.ts";

/** What the configuration refers to, read and compiled. */
export interface LoadedConfig {
  rules: Rules;
  /** dfdaemon's own certificate; absent: it is reached in the clear. */
  identity: KeyPair | undefined;
  /** What hijacked hosts are impersonated by; absent: none is. */
  impersonation: KeyPair | undefined;
}

/**
 * Reads the certificates and keys that a configuration names, and compiles its rules.
 *
 * @throws {ConfigError} naming key and file of what is missing or does not fit
 */
export async function loadReferences(config: ProxyConfig): Promise<LoadedConfig> {
  const { hijack_https: hijack, registry_mirror: mirror } = config;
  const hosts = (hijack?.hosts ?? []).map(async (host, index) => ({
    pattern: compileGoRegexp(host.regx),
    trust: await readTrust(`hijack_https.hosts.${index}.certs`, host),
  }));
  return {
    rules: {
      hijack: await Promise.all(hosts),
      urls: config.proxies.map((rule) => ({
        pattern: compileGoRegexp(rule.regx),
        useHttps: rule.use_https,
        direct: rule.direct,
        redirect: rule.redirect,
      })),
      mirror: {
        remote: new URL(mirror.remote),
        trust:
          mirror.certs.length > 0 || mirror.insecure
            ? await readTrust("registry_mirror.certs", mirror)
            : undefined,
        direct: mirror.direct,
      },
    },
    identity: config.certpem
      ? await readKeyPair(["certpem", config.certpem], ["keypem", config.keypem])
      : undefined,
    impersonation: hijack
      ? await readKeyPair(["hijack_https.cert", hijack.cert], ["hijack_https.key", hijack.key])
      : undefined,
  };
}

/** The files of certificates and keys that a configuration names. */
export function referencedFiles(config: ProxyConfig): NamedFile[] {
  const { hijack_https: hijack, registry_mirror: mirror, certpem, keypem } = config;
  const named: [key: string, path: string | undefined][] = [
    ["certpem", certpem],
    ["keypem", keypem],
    ["hijack_https.cert", hijack?.cert],
    ["hijack_https.key", hijack?.key],
    ...mirror.certs.map((path): [string, string] => ["registry_mirror.certs", path]),
  ];
  for (const [index, host] of (hijack?.hosts ?? []).entries())
    for (const path of host.certs) named.push([`hijack_https.hosts.${index}.certs`, path]);
  return named.flatMap(([key, path]) => (path ? { key, path } : []));
}

/**
 * What the files that this program's configuration names have against its service, which runs as a user of its own:
 * see {@link unreadableByService}.
 */
export function unreadableByDfdaemon(
  config: ProxyConfig,
  links: LinkSettings | undefined,
): Promise<Unreadable[]> {
  return unreadableByService("dragonfly-dfdaemon", [
    ...referencedFiles(config),
    ...linkFiles(links ?? {}),
  ]);
}

async function readTrust(
  key: string,
  given: { certs: readonly string[]; insecure: boolean },
): Promise<TlsTrust> {
  const texts = await Promise.all(
    given.certs.map(async (path) => {
      const certificates = splitPem(await readNamedFile(key, path));
      if (certificates.length > 0) return certificates;
      throw new ConfigError(`${key}: ${path}: no certificate in PEM form`);
    }),
  );
  return { ca: texts.flat(), insecure: given.insecure };
}

async function readKeyPair(cert: [string, string], key: [string, string]): Promise<KeyPair> {
  const pair = { cert: await readNamedFile(...cert), key: await readNamedFile(...key) };
  try {
    checkKeyPair(pair);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new ConfigError(`${cert.join(": ")} with ${key.join(": ")}: ${error.message}`);
  }
  return pair;
}

/** What is to be said of certificates that were taken though they have expired, by the keys that name them. */
export function expiredOnes({ identity, impersonation }: LoadedConfig, nowMs: number): string[] {
  const chains = { certpem: identity?.cert, "hijack_https.cert": impersonation?.cert };
  return Object.entries(chains)
    .filter(([, pem]) => pem !== undefined && expiryOf(pem) <= nowMs)
    .map(([key]) => `${key} has expired: engines will not accept it`);
}
