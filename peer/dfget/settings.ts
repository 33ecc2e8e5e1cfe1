import { isIP } from "node:net";
import * as z from "zod";
import { durationSchema } from "../../protocol/duration.ts";
import { parseFilter } from "../../protocol/filter_url.ts";
import { formatRate, rateSchema } from "../../protocol/rate.ts";
import { MAX_ZONE } from "../../protocol/swarm/messages.ts";
import { parseCommandLine, splitList, UsageError } from "../../runtime/command_line.ts";
import { ConfigError } from "../../runtime/config_error.ts";
import { isMissing, readConfigFile, strictSection } from "../../runtime/config_file.ts";
import { documented } from "../../runtime/key_notes.ts";
import { type LinkSettings, tlsSchema } from "../../runtime/links/settings.ts";
import { type LogConfig, logConfigSchema } from "../../runtime/logger.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { type TracingSettings, tracingSchema } from "../../runtime/tracing/settings.ts";
import type { SupernodeAddress } from "../contract.ts";
import { MIN_RATE } from "../download/fetch_piece.ts";
import { parseSupernode } from "../supernode/parse_supernode.ts";
import { createDfgetCommand, type DfgetFlags } from "./flags.ts";
import { readLegacyConfig } from "./legacy_config.ts";

/** What a node's dfget flags and `/etc/dragonfly/dfget.yml` say together. */
export interface DfgetSettings {
  supernodes: SupernodeAddress[];
  /** Work home of dfget; absent: `$HOME/.small-dragonfly`. */
  home?: string | undefined;
  ip?: string | undefined;
  port?: number | undefined;
  /** Bytes a second. */
  localLimit?: number | undefined;
  /** Bytes a second. */
  totalLimit?: number | undefined;
  /** Bytes a second that other nodes are given. */
  uploadLimit?: number | undefined;
  /** Bytes a second below which a peer is given up, and then p2p, and then the source. */
  minRate?: number | undefined;
  clientQueueSize?: number | undefined;
  /** Names of query parameters that do not matter. */
  filter: string[];
  expireMs?: number | undefined;
  aliveMs?: number | undefined;
  callSystem?: string | undefined;
  verbose?: boolean | undefined;
  logConfig?: LogConfig | undefined;
  /** The rack, room or data centre that this node is in. */
  zone?: string | undefined;
  hostAliases?: Record<string, string> | undefined;
  /** How this node proves itself to supernodes and peers. */
  links?: LinkSettings | undefined;
  /** Where to send traces. */
  tracing?: TracingSettings | undefined;
  /** The file that says some of this, where it is not the usual one. */
  configFile?: string | undefined;
}

/** Where v1 looks for its configuration, in this order. */
export const DEFAULT_CONFIG = "/etc/dragonfly/dfget.yml";
export const LEGACY_CONFIG = "/etc/dragonfly.conf";

const supernodeSchema = z.string().transform((text, context) => {
  const address = parseSupernode(text);
  if (!address) {
    context.addIssue({ code: "custom", message: `expected host[:port][=weight], not "${text}"` });
    return z.NEVER;
  }
  return address;
});

/** `/etc/dragonfly/dfget.yml` (protocol §4). */
export const dfgetConfigSchema = strictSection({
  nodes: documented(
    z.array(supernodeSchema),
    "supernodes, `host[:8002][=weight 1]`, tried in weighted random order; none: files come straight from their sources",
    { type: "list of supernodes" },
  ).nullish(),
  localLimit: documented(rateSchema, "of one download; 0: no limit", { default: "20M" }).optional(),
  minRate: documented(
    rateSchema,
    "below which a peer is given up, and by dfget, for a whole file, p2p, and then the source: see [how long a download may take](../configuration.md#how-long-a-download-of-dfget-may-take)",
    { default: formatRate(MIN_RATE) },
  ).optional(),
  totalLimit: documented(rateSchema, "of all downloads of the host").optional(),
  uploadLimit: documented(
    rateSchema,
    "of what this node hands to other nodes, all together; 0: no limit. For dfdaemon too",
    { ours: true },
  ).optional(),
  clientQueueSize: documented(z.number().int().positive(), "pieces in the works at once", {
    default: 6,
  }).optional(),
  workHome: documented(
    z.string(),
    "`data/` is the cache, `logs/` the logs, `meta/` the peer server's port",
    { type: "path", default: "$HOME/.small-dragonfly" },
  ).optional(),
  logConfig: documented(
    logConfigSchema,
    "how logs are written and rotated; `path` is that of dfget, not of its peer server",
  ).optional(),
  zone: documented(
    z.string().max(MAX_ZONE),
    "rack, room or data centre of this node: others of the same one are preferred, and thin links between zones spared",
    { ours: true },
  ).optional(),
  hostAliases: documented(
    z.record(z.string(), z.string()),
    "addresses to use for host names instead of the resolver's",
    { ours: true, type: "host name: IP address" },
  ).optional(),
  tls: documented(
    tlsSchema,
    "by what our programs prove to each other that they are, by TLS; for dfdaemon too, where dfdaemon.yml has neither `tls` nor `secretFile`",
    { ours: true },
  ).nullish(),
  secretFile: documented(
    z.string("expected the path of a file"),
    "the same by secrets that they share, one a line",
    { ours: true, type: "path" },
  ).optional(),
  tracing: documented(
    tracingSchema,
    "where dfget and its peer server send OpenTelemetry traces; dfdaemon.yml has a `tracing` of its own",
    { ours: true },
  ).nullish(),
});

/**
 * Reads dfget flags as dfdaemon's `dfget_flags` holds them, over what the configuration file says.
 * The default file may be absent; the INI `/etc/dragonfly.conf` of old is read in its place.
 *
 * @throws {UsageError} for a wrong flag, {ConfigError} for a wrong file
 */
export async function readDfgetSettings(
  flags: readonly string[],
  configFile?: string,
): Promise<DfgetSettings> {
  let parsed: DfgetFlags = {};
  const command = createDfgetCommand("dfget").action((options: DfgetFlags) => {
    parsed = options;
  });
  await parseCommandLine(command, flags);
  return mergeSettings(parsed, configFile);
}

/** Flags win over the file. */
export async function mergeSettings(
  flags: DfgetFlags,
  configFile?: string,
): Promise<DfgetSettings> {
  const file = await readFile(configFile);
  return {
    supernodes: flags.node === undefined ? (file.nodes ?? []) : parseNodes(flags.node),
    home: flags.home ?? file.workHome,
    ip: flags.ip === undefined ? undefined : parseIp(flags.ip),
    port: flags.port === undefined ? undefined : parsePort(flags.port),
    localLimit: parseFlag("--locallimit", rateSchema, flags.locallimit) ?? file.localLimit,
    totalLimit: parseFlag("--totallimit", rateSchema, flags.totallimit) ?? file.totalLimit,
    uploadLimit: parseFlag("--uploadlimit", rateSchema, flags.uploadlimit) ?? file.uploadLimit,
    // As in v1, 0 stands for what holds where nothing is said.
    minRate: parseFlag("--minrate", rateSchema, flags.minrate) || file.minRate || undefined,
    clientQueueSize: Number(flags.clientqueue ?? 0) || file.clientQueueSize,
    filter: parseFilter(flags.filter ?? ""),
    expireMs: parseFlag("--expiretime", durationSchema, flags.expiretime),
    aliveMs: parseFlag("--alivetime", durationSchema, flags.alivetime),
    callSystem: flags.callsystem,
    verbose: flags.verbose,
    logConfig: file.logConfig,
    zone: parseFlag("--zone", z.string().max(MAX_ZONE), flags.zone) ?? file.zone,
    hostAliases: { ...file.hostAliases, ...parseAliases(flags.hostAlias ?? []) },
    links: linksIn(file),
    tracing: tracingIn(file, flags.tracing),
    configFile,
  };
}

/** What the peer server of a host takes from its flags and the file. */
export async function readServerSettings(
  flags: Pick<DfgetFlags, "config" | "tracing" | "uploadlimit">,
): Promise<Pick<DfgetSettings, "links" | "tracing" | "logConfig" | "uploadLimit">> {
  const file = await readFile(flags.config);
  return {
    links: linksIn(file),
    tracing: tracingIn(file, flags.tracing),
    logConfig: file.logConfig,
    uploadLimit: parseFlag("--uploadlimit", rateSchema, flags.uploadlimit) ?? file.uploadLimit,
  };
}

/** @param endpoint the value of `--tracing` */
function tracingIn(
  { tracing }: Pick<z.output<typeof dfgetConfigSchema>, "tracing">,
  endpoint: string | undefined,
): TracingSettings | undefined {
  if (endpoint === undefined) return tracing ?? undefined;
  const settings = tracingSchema.safeParse({ ...tracing, endpoint });
  if (settings.success) return settings.data;
  throw new UsageError(
    `invalid value "${redactUrl(endpoint)}" for --tracing: ${settings.error.issues[0]!.message}`,
  );
}

function linksIn({ tls, secretFile }: LinkSettings): LinkSettings | undefined {
  if (!tls && !secretFile) return undefined;
  return { tls: tls ?? undefined, secretFile: secretFile || undefined };
}

async function readFile(
  configFile: string | undefined,
): Promise<z.output<typeof dfgetConfigSchema>> {
  if (configFile !== undefined) return readConfigFile(configFile, dfgetConfigSchema);
  try {
    return await readConfigFile(DEFAULT_CONFIG, dfgetConfigSchema);
  } catch (error) {
    if (!(error instanceof ConfigError) || !isMissing(error.cause)) throw error;
    return readLegacyConfig(LEGACY_CONFIG, dfgetConfigSchema);
  }
}

/** Checks a flag's value, and says which flag was wrong. */
export function parseFlag<Schema extends z.ZodType>(
  flag: string,
  schema: Schema,
  value: string | undefined,
): z.output<Schema> | undefined {
  if (value === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new UsageError(`invalid value "${value}" for ${flag}: ${result.error.issues[0]!.message}`);
}

function parseNodes(list: string): SupernodeAddress[] {
  return splitList(list).map((value) => {
    const address = parseSupernode(value);
    if (!address)
      throw new UsageError(`invalid value "${value}" for --node: expected host[:port][=weight]`);
    return address;
  });
}

/** A peer server's port (protocol §1). */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port === 0 || (port >= 15000 && port <= 65000)) return port;
  throw new UsageError(`invalid value "${text}" for --port: expected 0, or 15000 to 65000`);
}

/** `--host-alias name=address`, as often as given. */
export function parseAliases(values: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    values.map((value) => {
      const [name, address] = value.split("=", 2);
      if (!name || !address) {
        throw new UsageError(`invalid value "${value}" for --host-alias: expected name=address`);
      }
      return [name, address];
    }),
  );
}

/** The address that a node announces: one that others can reach it at. */
export function parseIp(text: string): string {
  if (text === "0.0.0.0") {
    throw new UsageError(
      'invalid value "0.0.0.0" for --ip: this address is announced to the other nodes, so it must be one they can reach',
    );
  }
  if (isIP(text) !== 4)
    throw new UsageError(`invalid value "${text}" for --ip: expected an IPv4 address`);
  return text;
}
