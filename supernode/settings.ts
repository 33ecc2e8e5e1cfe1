import * as z from "zod";
import { durationSchema, formatDuration } from "../protocol/duration.ts";
import { formatRate, rateSchema } from "../protocol/rate.ts";
import { isAddressRange } from "../runtime/address_ranges.ts";
import { configSection } from "../runtime/config_file.ts";
import { documented } from "../runtime/key_notes.ts";
import { type TlsSettings, tlsSchema } from "../runtime/links/settings.ts";
import { type LogConfig, logConfigSchema } from "../runtime/logger.ts";
import { shownTracing, type TracingSettings, tracingSchema } from "../runtime/tracing/settings.ts";
import { type ConsoleConfig, consoleConfigSchema } from "./console/access.ts";
import { atLeastOne, flag, port, type Setting, setting, whole } from "./define_setting.ts";
import { parseSourcePattern } from "./seed/source_guard.ts";
import { stateUrlSchema, withoutPassword } from "./shared/state_url.ts";

const sourcePattern = z.string().refine((text) => parseSourcePattern(text) !== undefined, {
  error: "expected [http[s]://]host[:port], * for any characters of the host, :* for any port",
});
const addressRange = z.string().refine(isAddressRange, {
  error: "expected an address or a range such as 10.64.0.0/12",
});
const ip = z.union([z.ipv4(), z.ipv6()], { error: "expected an IP address" });

/** Every key of `base:`, in v1's order, with v1's defaults (protocol §6), then ours. */
export const SETTINGS = {
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

export const ENTRIES = Object.entries(SETTINGS) as [SettingName, Setting<unknown>][];

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

/** What a setting is called in the file. */
export function keyOf(name: SettingName): string {
  return SETTINGS[name].key;
}

/** A setting's default as a configuration file would have it. */
export function formatSetting(name: SettingName): string {
  const { print, value } = SETTINGS[name] as Setting<unknown>;
  return String(print(value));
}
