import { join } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { durationSchema, formatDuration } from "../protocol/duration.ts";
import { formatRate, rateSchema } from "../protocol/rate.ts";
import { isAddressRange } from "../runtime/address_ranges.ts";
import { ConfigError } from "../runtime/config_error.ts";
import { configSection, expectedOf, isMissing, readConfigFile } from "../runtime/config_file.ts";
import { type TlsSettings, tlsSchema } from "../runtime/links/settings.ts";
import { type LogConfig, logConfigSchema } from "../runtime/logger.ts";
import { changedKeys } from "../runtime/reload.ts";
import { type ConsoleConfig, consoleConfigSchema } from "./console/access.ts";
import { parseSourcePattern } from "./seed/source_guard.ts";

/** Where the configuration lies unless `--config` says otherwise (protocol §6). */
export const DEFAULT_CONFIG_FILE = "/etc/dragonfly/supernode.yml";

/** One key of the `base:` block: its name there, what it takes, its default, how it is printed. */
interface Setting<Value> {
  key: string;
  schema: z.ZodType<Value>;
  value: Value;
  print: (value: Value) => unknown;
}

function setting<Value>(
  key: string,
  schema: z.ZodType<Value, unknown>,
  value: Value,
  print: (value: Value) => unknown = (same) => same,
): Setting<Value> {
  return { key, schema, value, print };
}

function whole(expected: string, min: number, max = Number.MAX_SAFE_INTEGER) {
  return z.number(expected).int(expected).min(min, expected).max(max, expected);
}

const port = whole("expected a port, 0 to 65535 (0: any free one)", 0, 65535);
const atLeastOne = whole("expected a whole number, 1 or more", 1);
const flag = z.boolean("expected true or false");
const sourcePattern = z.string().refine((text) => parseSourcePattern(text) !== undefined, {
  error: "expected [http[s]://]host[:port], * for any characters of the host, :* for any port",
});
const addressRange = z.string().refine(isAddressRange, {
  error: "expected an address or a range such as 10.64.0.0/12",
});
const ip = z.union([z.ipv4(), z.ipv6()], { error: "expected an IP address" });

/** Every key of `base:`, in v1's order, with v1's defaults (protocol §6); the last two are ours. */
const SETTINGS = {
  /** Whether a node gets its pieces from our copy (`local`) or is sent to the source (`source`). */
  cdnPattern: setting<"local" | "source">("cdnPattern", z.enum(["local", "source"]), "local"),
  /** Port of the API; 0: any free one. */
  listenPort: setting("listenPort", port, 8002),
  /** Port of our copies; the same as `listenPort`: one server for both. */
  downloadPort: setting("downloadPort", port, 8001),
  /** Working directory: `repo/` holds our copies, `logs/` the log. */
  homeDir: setting("homeDir", z.string().min(1, "expected a path"), "/home/admin/supernode"),
  /** Accepted for v1's sake, without effect: copies lie in `<homeDir>/repo/download`. */
  downloadPath: setting("downloadpath", z.string(), ""),
  /** Downloads from sources at once. */
  schedulerCorePoolSize: setting("schedulerCorePoolSize", atLeastOne, 10),
  /** Pieces that one peer serves at once. */
  peerUpLimit: setting("peerUpLimit", atLeastOne, 5),
  /** Pieces that one client fetches at once. */
  peerDownLimit: setting("peerDownLimit", atLeastOne, 4),
  /** Failures as a server after which a peer serves no more. */
  eliminationLimit: setting("eliminationLimit", atLeastOne, 5),
  /** Failures after which a client is sent to the supernode only. */
  failureCountLimit: setting("failureCountLimit", atLeastOne, 5),
  /** Accepted for v1's sake, without effect. */
  linkLimit: setting("linkLimit", rateSchema, 20 * 1024 ** 2, formatRate),
  /** Bytes a second of `maxBandwidth` that downloads from sources leave alone. */
  systemReservedBandwidth: setting(
    "systemReservedBandwidth",
    rateSchema,
    20 * 1024 ** 2,
    formatRate,
  ),
  /** Bytes a second that the supernode may use; 0: no limit. */
  maxBandwidth: setting("maxBandwidth", rateSchema, 200 * 1024 ** 2, formatRate),
  /** Whether `/debug/pprof` answers. */
  enableProfiler: setting("enableProfiler", flag, false),
  /** Debug messages in the log, and `/debug/pprof`. */
  debug: setting("debug", flag, false),
  /** The IPv4 address that peers know us by; empty: the first of this host that is not loopback. */
  advertiseIp: setting(
    "advertiseIP",
    z.union([z.literal(""), z.ipv4("expected an IPv4 address")]),
    "",
  ),
  /** How long a source that failed is not asked again, ms. */
  failAccessIntervalMs: setting("failAccessInterval", durationSchema, 180_000, formatDuration),
  /** From the start to the first garbage collection, ms. */
  gcInitialDelayMs: setting("gcInitialDelay", durationSchema, 6000, formatDuration),
  /** Between collections of tasks and peers, ms. */
  gcMetaIntervalMs: setting("gcMetaInterval", durationSchema, 120_000, formatDuration),
  /** A task that nobody asked about for so long is forgotten, ms. */
  taskExpireMs: setting("taskExpireTime", durationSchema, 180_000, formatDuration),
  /** A peer is forgotten so long after it went offline, ms. */
  peerGcDelayMs: setting("peerGCDelay", durationSchema, 180_000, formatDuration),
  /** Between looks at the free space of the disk, ms. */
  gcDiskIntervalMs: setting("gcDiskInterval", durationSchema, 15_000, formatDuration),
  /** Bytes free on the disk below which copies idle for `intervalThresholdMs` are dropped. */
  youngGcThreshold: setting("youngGCThreshold", rateSchema, 100 * 1024 ** 3, formatRate),
  /** Bytes free on the disk below which every copy not in use is dropped. */
  fullGcThreshold: setting("fullGCThreshold", rateSchema, 5 * 1024 ** 3, formatRate),
  /** How long a copy must have been idle to be dropped before the disk is all but full, ms. */
  intervalThresholdMs: setting("IntervalThreshold", durationSchema, 7_200_000, formatDuration),
  /** Tenths of the idle copies that one collection drops at most. */
  cleanRatio: setting("cleanratio", whole("expected 1 to 10 (tenths)", 1, 10), 1),
  /** How the log is written and rotated. */
  logConfig: setting<LogConfig>(
    "logConfig",
    configSection(logConfigSchema.shape),
    logConfigSchema.parse({}),
  ),
  /** Address that the servers listen on. */
  listenIp: setting("listenIp", ip, "0.0.0.0"),
  /** Addresses to use for host names of sources instead of the resolver's, like `curl --resolve`. */
  hostAliases: setting<Record<string, string>>("hostAliases", z.record(z.string(), ip), {}),
  /** Sites that files may be fetched from, see {@link parseSourcePattern}; none: any. */
  allowedSources: setting<readonly string[]>("allowedSources", z.array(sourcePattern), []),
  /** Who may have it forget tasks, or drain it, besides its own host: CIDR ranges. */
  adminClients: setting<readonly string[]>("adminClients", z.array(addressRange), []),
  /** The page for people, and who may see it. */
  console: setting<ConsoleConfig>(
    "console",
    configSection(consoleConfigSchema.shape),
    consoleConfigSchema.parse({}),
  ),
  /** By what our own programs prove to each other that they are, by TLS … */
  tls: setting<TlsSettings | null>("tls", tlsSchema, null),
  /** … or by a secret that they share; empty: nobody asks. */
  secretFile: setting("secretFile", z.string("expected the path of a file"), ""),
};

type Settings = typeof SETTINGS;
export type SettingName = keyof Settings;

/** The effective configuration of a supernode: bytes, bytes a second, milliseconds. */
export type SupernodeConfig = { readonly [Name in SettingName]: Settings[Name]["value"] };

const ENTRIES = Object.entries(SETTINGS) as [SettingName, Setting<unknown>][];

const fileSchema = configSection({
  base: configSection(
    Object.fromEntries(ENTRIES.map(([, { key, schema }]) => [key, schema.optional()])),
  ).optional(),
  // v1's plug-ins are Go code; its only storage is the local one.
  plugins: z.record(z.string(), z.unknown()).optional(),
  storages: z.record(z.string(), z.unknown()).optional(),
});

/** A configuration with v1's defaults, some of them replaced: for programs that embed a supernode. */
export function withDefaults(given: Partial<SupernodeConfig> = {}): SupernodeConfig {
  const values = ENTRIES.map(([name, { value }]) => [name, given[name] ?? value]);
  return Object.fromEntries(values) as SupernodeConfig;
}

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
  const file = await readConfigFile(path, fileSchema).catch((error: Error) => {
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

/** A setting's default as a configuration file would have it. */
export function formatSetting(name: SettingName): string {
  const { print, value } = SETTINGS[name] as Setting<unknown>;
  return String(print(value));
}

/** The configuration as YAML, as v1's `supernode config` prints it. */
export function formatConfig(config: SupernodeConfig): string {
  const shown = { ...config, downloadPath: downloadPath(config) };
  const base = Object.fromEntries(
    ENTRIES.map(([name, { key, print }]) => [key, print(shown[name])]),
  );
  return stringify({ base, plugins: {}, storages: {} });
}
