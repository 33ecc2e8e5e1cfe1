import { join } from "node:path";
import { stringify } from "yaml";
import * as z from "zod";
import { durationSchema, formatDuration } from "../protocol/duration.ts";
import { formatRate, rateSchema } from "../protocol/rate.ts";
import { isAddressRange } from "../runtime/address_ranges.ts";
import { ConfigError } from "../runtime/config_error.ts";
import { configSection, expectedOf, isMissing, readConfigFile } from "../runtime/config_file.ts";
import { documented, type KeyNotes } from "../runtime/key_notes.ts";
import { type TlsSettings, tlsSchema } from "../runtime/links/settings.ts";
import { type LogConfig, logConfigSchema } from "../runtime/logger.ts";
import { changedKeys } from "../runtime/reload.ts";
import { shownTracing, type TracingSettings, tracingSchema } from "../runtime/tracing/settings.ts";
import { type ConsoleConfig, consoleConfigSchema } from "./console/access.ts";
import { parseSourcePattern } from "./seed/source_guard.ts";
import { stateUrlSchema, withoutPassword } from "./shared/state_url.ts";

/** Where the configuration lies unless `--config` says otherwise (protocol §6). */
export const DEFAULT_CONFIG_FILE = "/etc/dragonfly/supernode.yml";

/** One key of the `base:` block: its name there, what it takes, its default, how it is printed. */
interface Setting<Value> {
  key: string;
  schema: z.ZodType<Value>;
  value: Value;
  print: (value: Value) => unknown;
}

/** @param what it does, for docs/reference/configuration.md; see {@link KeyNotes} for `notes` */
function setting<Value>(
  key: string,
  what: string,
  schema: z.ZodType<Value, unknown>,
  value: Value,
  print: (value: Value) => unknown = (same) => same,
  notes: KeyNotes = {},
): Setting<Value> {
  const shown = print(value);
  const given = shown === "" || shown === null || typeof shown === "object" ? undefined : shown;
  return { key, schema: documented(schema, what, { default: given, ...notes }), value, print };
}

function whole(expected: string, min: number, max = Number.MAX_SAFE_INTEGER) {
  return z.number(expected).int(expected).min(min, expected).max(max, expected);
}

const port = whole("expected a port, 0 to 65535 (0: any free one)", 0, 65535).meta({
  type: "port",
});
const atLeastOne = whole("expected a whole number, 1 or more", 1);
const flag = z.boolean("expected true or false");
const sourcePattern = z.string().refine((text) => parseSourcePattern(text) !== undefined, {
  error: "expected [http[s]://]host[:port], * for any characters of the host, :* for any port",
});
const addressRange = z.string().refine(isAddressRange, {
  error: "expected an address or a range such as 10.64.0.0/12",
});
const ip = z.union([z.ipv4(), z.ipv6()], { error: "expected an IP address" });

/** Every key of `base:`, in v1's order, with v1's defaults (protocol §6), then ours. */
const SETTINGS = {
  cdnPattern: setting<"local" | "source">(
    "cdnPattern",
    "`local`: the supernode fetches a file once and seeds it; `source`: the nodes fetch each piece from the source once, between them",
    z.enum(["local", "source"]),
    "local",
  ),
  listenPort: setting("listenPort", "of the API; 0: any free one", port, 8002),
  downloadPort: setting(
    "downloadPort",
    "of the supernode's own copies; the same as `listenPort`: one server for both",
    port,
    8001,
  ),
  homeDir: setting(
    "homeDir",
    "working directory: `repo/download` holds the copies, `logs/app.log` the log",
    z.string().min(1, "expected a path"),
    "/home/admin/supernode",
    undefined,
    {
      type: "path",
      default: "`$STATE_DIRECTORY` where systemd sets it, else /home/admin/supernode",
    },
  ),
  downloadPath: setting(
    "downloadpath",
    "without effect: copies lie in `<homeDir>/repo/download`",
    z.string(),
    "",
  ),
  schedulerCorePoolSize: setting(
    "schedulerCorePoolSize",
    "downloads from sources at once",
    atLeastOne,
    10,
  ),
  peerUpLimit: setting("peerUpLimit", "pieces that one peer serves at once", atLeastOne, 5),
  peerDownLimit: setting(
    "peerDownLimit",
    "pieces that one client fetches at once, and that the supernode serves at once of a task",
    atLeastOne,
    4,
  ),
  eliminationLimit: setting(
    "eliminationLimit",
    "failures as a server after which a peer serves no more",
    atLeastOne,
    5,
  ),
  failureCountLimit: setting(
    "failureCountLimit",
    "failures after which a client is sent to the supernode only",
    atLeastOne,
    5,
  ),
  linkLimit: setting("linkLimit", "without effect", rateSchema, 20 * 1024 ** 2, formatRate),
  systemReservedBandwidth: setting(
    "systemReservedBandwidth",
    "part of `maxBandwidth` that downloads from sources leave alone",
    rateSchema,
    20 * 1024 ** 2,
    formatRate,
  ),
  maxBandwidth: setting(
    "maxBandwidth",
    "what the supernode may use; 0: no limit",
    rateSchema,
    200 * 1024 ** 2,
    formatRate,
  ),
  enableProfiler: setting("enableProfiler", "`/debug/pprof` answers", flag, false),
  debug: setting("debug", "debug messages in the log, and `/debug/pprof`", flag, false),
  advertiseIp: setting(
    "advertiseIP",
    "address that peers know the supernode by",
    z.union([z.literal(""), z.ipv4("expected an IPv4 address")]),
    "",
    undefined,
    { type: "IPv4 address", default: "the first of this host that is not loopback" },
  ),
  failAccessIntervalMs: setting(
    "failAccessInterval",
    "a source that failed is not asked again for so long",
    durationSchema,
    180_000,
    formatDuration,
  ),
  gcInitialDelayMs: setting(
    "gcInitialDelay",
    "from the start to the first garbage collection",
    durationSchema,
    6000,
    formatDuration,
  ),
  gcMetaIntervalMs: setting(
    "gcMetaInterval",
    "between collections of tasks and peers",
    durationSchema,
    120_000,
    formatDuration,
  ),
  taskExpireMs: setting(
    "taskExpireTime",
    "a task that nobody asked about for so long is forgotten",
    durationSchema,
    180_000,
    formatDuration,
  ),
  peerGcDelayMs: setting(
    "peerGCDelay",
    "a peer is forgotten so long after it went offline",
    durationSchema,
    180_000,
    formatDuration,
  ),
  gcDiskIntervalMs: setting(
    "gcDiskInterval",
    "between looks at the free space of the disk",
    durationSchema,
    15_000,
    formatDuration,
  ),
  youngGcThreshold: setting(
    "youngGCThreshold",
    "free space below which copies idle for `IntervalThreshold` are dropped",
    rateSchema,
    100 * 1024 ** 3,
    formatRate,
    { type: "size" },
  ),
  fullGcThreshold: setting(
    "fullGCThreshold",
    "free space below which every copy not in use is dropped",
    rateSchema,
    5 * 1024 ** 3,
    formatRate,
    { type: "size" },
  ),
  intervalThresholdMs: setting(
    "IntervalThreshold",
    "how long a copy must have been idle to be dropped below `youngGCThreshold`",
    durationSchema,
    7_200_000,
    formatDuration,
  ),
  cleanRatio: setting(
    "cleanratio",
    "tenths of the idle copies that one collection drops at most",
    whole("expected 1 to 10 (tenths)", 1, 10),
    1,
  ),
  logConfig: setting<LogConfig>(
    "logConfig",
    "how the log is written and rotated",
    configSection(logConfigSchema.shape),
    logConfigSchema.parse({}),
  ),
  listenIp: setting("listenIp", "address that both servers listen on", ip, "0.0.0.0", undefined, {
    ours: true,
    type: "IP address",
  }),
  hostAliases: setting<Record<string, string>>(
    "hostAliases",
    "addresses to use for host names of sources instead of the resolver's",
    z.record(z.string(), ip),
    {},
    undefined,
    { ours: true, type: "host name: IP address" },
  ),
  allowedSources: setting<readonly string[]>(
    "allowedSources",
    "sites that files may be fetched from, `[http[s]://]host[:port]`: `*` for any characters of the host, `:*` for any port, else the scheme's own. Redirects count as well: name object storages and token servers, too. Link-local addresses (169.254.0.0/16, fe80::/10) are never asked",
    z.array(sourcePattern),
    [],
    undefined,
    { ours: true, default: "none: any" },
  ),
  adminClients: setting<readonly string[]>(
    "adminClients",
    "who may have it forget tasks and drain (`dfctl rm`, `dfctl drain`), besides its own host",
    z.array(addressRange),
    [],
    undefined,
    { ours: true, type: "list of CIDR ranges" },
  ),
  console: setting<ConsoleConfig>(
    "console",
    "the page for people at `/console`",
    configSection(consoleConfigSchema.shape),
    consoleConfigSchema.parse({}),
    undefined,
    { ours: true },
  ),
  tls: setting<TlsSettings | null>(
    "tls",
    "by what our programs prove to each other that they are, by TLS",
    tlsSchema,
    null,
    undefined,
    { ours: true },
  ),
  secretFile: setting(
    "secretFile",
    "the same by secrets that they share, one a line",
    z.string("expected the path of a file"),
    "",
    undefined,
    { ours: true, type: "path" },
  ),
  state: setting(
    "state",
    "`redis://[user:password@]host[:port][/database]` of a Redis or Valkey (`rediss://`: by TLS) in which several supernodes note who has which task",
    stateUrlSchema,
    "",
    withoutPassword,
    { ours: true, type: "URL", default: "none: each is for itself" },
  ),
  tracing: setting<TracingSettings | null>(
    "tracing",
    "where to send OpenTelemetry traces",
    tracingSchema,
    null,
    shownTracing,
    { ours: true },
  ),
};

type Settings = typeof SETTINGS;
export type SettingName = keyof Settings;

/** The effective configuration of a supernode: bytes, bytes a second, milliseconds. */
export type SupernodeConfig = { readonly [Name in SettingName]: Settings[Name]["value"] };

const ENTRIES = Object.entries(SETTINGS) as [SettingName, Setting<unknown>][];

/** supernode.yml (protocol §6). */
export const supernodeFileSchema = configSection({
  base: configSection(
    Object.fromEntries(ENTRIES.map(([, { key, schema }]) => [key, schema.optional()])),
  ).optional(),
  // v1's plug-ins are Go code; its only storage is the local one.
  plugins: documented(z.record(z.string(), z.unknown()), "without effect").optional(),
  storages: documented(
    z.record(z.string(), z.unknown()),
    "without effect: the only storage is the local one",
  ).optional(),
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

/** What a setting is called in the file. */
export function keyOf(name: SettingName): string {
  return SETTINGS[name].key;
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
