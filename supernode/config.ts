import { join } from "node:path";
import { stringify } from "yaml";
import { formatRate } from "../protocol/rate.ts";
import { ConfigError } from "../runtime/config_error.ts";
import { expectedOf, isMissing, readConfigFile } from "../runtime/config_file.ts";
import { changedKeys } from "../runtime/reload.ts";
import type { Setting } from "./define_setting.ts";
import {
  ENTRIES,
  SETTINGS,
  type SettingName,
  type SupernodeConfig,
  supernodeFileSchema,
  withDefaults,
} from "./settings.ts";

/** Where the configuration lies unless `--config` says otherwise (protocol §6). */
export const DEFAULT_CONFIG_FILE = "/etc/dragonfly/supernode.yml";

/**
 * The value of a setting given as text, in a flag or an environment variable.
 *
 * @throws {Error} that says what was expected
 */
export function settingFromText<Name extends SettingName>(
  name: Name,
  text: string,
): SupernodeConfig[Name] {
  const { schema } = SETTINGS[name] as Setting<unknown>;
  const candidates: unknown[] = [text];
  if (/^-?\d+(\.\d+)?$/.test(text)) candidates.push(Number(text));
  if (/^(1|t|true)$/i.test(text)) candidates.push(true);
  if (/^(0|f|false)$/i.test(text)) candidates.push(false);
  const results = candidates.map((candidate) => schema.safeParse(candidate));
  const good = results.find((result) => result.success);
  if (good) return good.data as SupernodeConfig[Name];
  throw new Error(expectedOf(results.at(-1)!.error!));
}

/**
 * The settings in `SUPERNODE_BASE_<KEY>` variables; v1 (viper) keeps the key's dot, `SUPERNODE_BASE.<KEY>`:
 * both spellings count.
 */
function fromEnvironment(env: NodeJS.ProcessEnv): Partial<SupernodeConfig> {
  const values: [string, unknown][] = [];
  for (const [name, { key }] of ENTRIES) {
    const spellings = [
      `SUPERNODE_BASE_${key.toUpperCase()}`,
      `SUPERNODE_BASE.${key.toUpperCase()}`,
    ];
    const variable = spellings.find((spelled) => env[spelled]);
    const text = variable && env[variable];
    if (!text) continue;
    try {
      values.push([name, settingFromText(name, text)]);
    } catch (error) {
      throw new ConfigError(`environment variable ${variable}: ${(error as Error).message}`);
    }
  }
  return Object.fromEntries(values) as Partial<SupernodeConfig>;
}

/** What a running supernode takes from a changed configuration; the rest waits for a restart. */
export const RELOADED_SETTINGS = [
  "schedulerCorePoolSize",
  "peerUpLimit",
  "peerDownLimit",
  "eliminationLimit",
  "failureCountLimit",
  "systemReservedBandwidth",
  "maxBandwidth",
  "failAccessIntervalMs",
  "gcMetaIntervalMs",
  "taskExpireMs",
  "peerGcDelayMs",
  "gcDiskIntervalMs",
  "youngGcThreshold",
  "fullGcThreshold",
  "intervalThresholdMs",
  "cleanRatio",
] as const satisfies readonly SettingName[];

/** The other settings, as a configuration file spells them. */
export function settingsForRestart(before: SupernodeConfig, after: SupernodeConfig): string[] {
  const others = ENTRIES.map(([name]) => name).filter(
    (name) => !(RELOADED_SETTINGS as readonly SettingName[]).includes(name),
  );
  return changedKeys(others, before, after).map((name) => SETTINGS[name].key);
}

export interface ConfigSources {
  /** The file named by `--config`; without it the default one, which may be absent. */
  file?: string | undefined;
  env: NodeJS.ProcessEnv;
  flags: Partial<SupernodeConfig>;
}

/**
 * The configuration from its sources, the stronger ones last: defaults, file, environment, flags. The
 * file is the one of `--config`, or of the variable `SUPERNODE_CONFIG`.
 * `warnings` tells of keys that are accepted but have no effect.
 *
 * @throws {ConfigError} for a file that is absent or wrong, or values that do not go together
 */
export async function loadConfig(
  sources: ConfigSources,
): Promise<{ config: SupernodeConfig; warnings: string[] }> {
  const named = sources.file ?? (sources.env.SUPERNODE_CONFIG || undefined);
  const path = named ?? DEFAULT_CONFIG_FILE;
  const file = await readConfigFile(path, supernodeFileSchema).catch((error: Error) => {
    if (named === undefined && isMissing(error.cause)) return {} as never;
    throw error;
  });
  const base = (file.base ?? {}) as Record<string, unknown>;
  const fromFile = Object.fromEntries(
    ENTRIES.filter(([, { key }]) => base[key] !== undefined).map(([name, { key }]) => [
      name,
      base[key],
    ]),
  );
  const config = withDefaults({
    ...stateDirectory(sources.env),
    ...(fromFile as Partial<SupernodeConfig>),
    ...fromEnvironment(sources.env),
    ...sources.flags,
  });
  if (config.maxBandwidth > 0 && config.maxBandwidth <= config.systemReservedBandwidth) {
    throw new ConfigError(
      `maxBandwidth (${formatRate(config.maxBandwidth)}) must be more than systemReservedBandwidth (${formatRate(config.systemReservedBandwidth)}), or 0 for no limit`,
    );
  }
  const warnings: string[] = [];
  if (config.downloadPath && config.downloadPath !== downloadPath(config)) {
    warnings.push(`base.downloadpath has no effect: files lie in ${downloadPath(config)}`);
  }
  for (const block of ["plugins", "storages"] as const) {
    if (Object.keys(file[block] ?? {}).length > 0) warnings.push(`${block} has no effect`);
  }
  return { config, warnings };
}

/** Under systemd the unit says where a service keeps its files (`StateDirectory=`). */
function stateDirectory(env: NodeJS.ProcessEnv): Partial<SupernodeConfig> {
  return env.STATE_DIRECTORY ? { homeDir: env.STATE_DIRECTORY } : {};
}

function downloadPath(config: SupernodeConfig): string {
  return join(config.homeDir, "repo", "download");
}

/** The configuration as YAML, as v1's `supernode config` prints it. */
export function formatConfig(config: SupernodeConfig): string {
  const shown = { ...config, downloadPath: downloadPath(config) };
  const base = Object.fromEntries(
    ENTRIES.map(([name, { key, print }]) => [key, print(shown[name])]),
  );
  return stringify({ base, plugins: {}, storages: {} });
}
