import { join } from "node:path";
import { stringify } from "yaml";
import type * as z from "zod";
import { formatRate } from "../protocol/rate.ts";
import { UsageError } from "../runtime/command_line.ts";
import { ConfigError } from "../runtime/config_error.ts";
import { isMissing, readConfigFile } from "../runtime/config_file.ts";
import { changedKeys } from "../runtime/reload.ts";
import { shownTracing } from "../runtime/tracing/settings.ts";
import {
  defaultConfig,
  type ProxyConfig,
  proxyConfigSchema,
  remoteUrl,
  SETTABLE,
  type SettingName,
  type Settings,
  SHAPE,
} from "./settings.ts";

/** Where the configuration lies unless `--config` says otherwise (protocol §5). */
export const DEFAULT_CONFIG_FILE = "/etc/dragonfly/dfdaemon.yml";

export interface ConfigSources {
  /** The file named by `--config`; without it the default one, which may be absent. */
  file?: string | undefined;
  env: NodeJS.ProcessEnv;
  /** Values of flags, by the setting they stand for. */
  flags: Settings;
}

/**
 * The configuration from its sources, the stronger ones last: defaults, file, `DFDAEMON_<KEY>`
 * variables, flags. The file is the one of `--config`, or of the variable `DFDAEMON_CONFIG`.
 *
 * @throws {ConfigError} for a file that is absent or wrong, a wrong variable, or values that do not
 *   go together; {UsageError} for a wrong flag
 */
export async function loadConfig(sources: ConfigSources): Promise<ProxyConfig> {
  const named = sources.file ?? (sources.env.DFDAEMON_CONFIG || undefined);
  const path = named ?? DEFAULT_CONFIG_FILE;
  const config = await readConfigFile(path, proxyConfigSchema).catch((error: Error) => {
    if (named === undefined && isMissing(error.cause)) return defaultConfig();
    throw error;
  });
  for (const name of SETTABLE) {
    const fromEnv = readVariable(sources.env, name);
    try {
      if (fromEnv) set(config, name, fromEnv.value);
    } catch (error) {
      throw new ConfigError(`environment variable ${fromEnv!.name}: ${(error as Error).message}`);
    }
    const fromFlag = sources.flags[name];
    try {
      if (fromFlag !== undefined) set(config, name, fromFlag);
    } catch (error) {
      throw new UsageError(`--${FLAG_NAMES[name] ?? name}: ${(error as Error).message}`);
    }
  }
  if ((config.certpem === "") !== (config.keypem === "")) {
    const [there, missing] = config.certpem ? ["certpem", "keypem"] : ["keypem", "certpem"];
    throw new ConfigError(`${path}: ${there} is set but ${missing} is not: TLS takes both`);
  }
  config.localrepo = localRepo(config);
  return config;
}

function localRepo({ localrepo, workHome }: ProxyConfig): string {
  return localrepo || join(workHome, "dfdaemon", "data");
}

/** What a running dfdaemon keeps until it is started anew. */
const FOR_RESTART = [
  "hostIp",
  "port",
  "workHome",
  "verbose",
  "logConfig",
  "allowedClients",
  "hostAliases",
  "localIP",
  "peerPort",
  "tracing",
] as const;

/** The keys that differ and wait for a restart. */
export function keysForRestart(before: ProxyConfig, after: ProxyConfig): string[] {
  const tls = ({ certpem }: ProxyConfig) => certpem !== "";
  return [
    ...changedKeys(FOR_RESTART, before, after),
    ...(tls(before) === tls(after) ? [] : ["certpem"]),
  ];
}

/** Where a flag of v1 has another name than the key it sets. */
export const FLAG_NAMES: Partial<Record<SettingName, string>> = {
  supernodes: "node",
  "registry_mirror.remote": "registry",
};

/**
 * The variable that holds a setting: `DFDAEMON_` and its key in capitals. v1 (viper) keeps the dot of a
 * nested key, and knows `supernodes` by its flag's name only; both spellings count.
 */
function readVariable(
  env: NodeJS.ProcessEnv,
  name: SettingName,
): { name: string; value: string } | undefined {
  const keys = [name.replace(".", "_"), name, ...(name === "supernodes" ? ["node"] : [])];
  for (const key of keys) {
    const variable = `DFDAEMON_${key.toUpperCase()}`;
    const value = env[variable];
    if (value) return { name: variable, value };
  }
  return undefined;
}

function set(config: ProxyConfig, name: SettingName, value: string): void {
  if (name === "registry_mirror.remote") config.registry_mirror.remote = fromText(remoteUrl, value);
  else Object.assign(config, { [name]: fromText(SHAPE[name] as z.ZodType, value) });
}

/** @throws {Error} that says what was expected */
function fromText<Value>(schema: z.ZodType<Value>, value: string): Value {
  const candidates: unknown[] = [value, value.split(/[\s,]+/).filter((part) => part !== "")];
  if (/^-?\d+$/.test(value)) candidates.unshift(Number(value));
  if (/^(1|t|true)$/i.test(value)) candidates.push(true);
  if (/^(0|f|false)$/i.test(value)) candidates.push(false);
  const results = candidates.map((candidate) => schema.safeParse(candidate));
  const good = results.find((result) => result.success);
  if (good?.success) return good.data;
  const complaints = results.map((result) => result.error!.issues[0]!);
  // One about an entry of a list says more than that a list was expected.
  throw new Error((complaints.find(({ path }) => path.length > 0) ?? complaints[0]!).message);
}

/** The configuration as YAML, as v1's `dfdaemon config` prints it. */
export function formatConfig(config: ProxyConfig): string {
  return stringify({
    ...config,
    localrepo: localRepo(config),
    ratelimit: formatRate(config.ratelimit),
    tracing: shownTracing(config.tracing),
  });
}
