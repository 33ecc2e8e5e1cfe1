import { homedir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { parseSupernode } from "../peer/mod.ts";
import { rateSchema } from "../protocol/rate.ts";
import { isAddressRange } from "../runtime/address_ranges.ts";
import { configSection } from "../runtime/config_file.ts";
import { documented } from "../runtime/key_notes.ts";
import { tlsSchema } from "../runtime/links/settings.ts";
import { logConfigSchema } from "../runtime/logger.ts";
import { tracingSchema } from "../runtime/tracing/settings.ts";
import { compileGoRegexp } from "./go_regexp.ts";

const flag = z.boolean("expected true or false");
const text = z.string("expected text");
const port = z
  .int("expected a port, 0 to 65535 (0: any free one)")
  .min(0, "expected a port, 0 to 65535 (0: any free one)")
  .max(65535, "expected a port, 0 to 65535 (0: any free one)")
  .meta({ type: "port" });
const texts = z.array(text, "expected a list");

const regx = text.check((context) => {
  try {
    compileGoRegexp(context.value);
  } catch (error) {
    const message = `expected a regular expression: ${(error as Error).message}`;
    context.issues.push({ code: "custom", input: context.value, message });
  }
});

export const remoteUrl = text.check((context) => {
  if (/^https?:\/\/[^/\s]+/i.test(context.value) && URL.canParse(context.value)) return;
  const message = "expected an http or https URL, such as https://index.docker.io";
  context.issues.push({ code: "custom", input: context.value, message });
});

const addressRange = text.refine(isAddressRange, {
  error: "expected an address or a range such as 10.64.0.0/12",
});

/** An address that others can reach; `0.0.0.0` would send every peer to itself for its pieces. */
const announcedAddress = text.check((context) => {
  if (
    context.value === "" ||
    (z.ipv4().safeParse(context.value).success && !/^0\./.test(context.value))
  )
    return;
  const message = `expected the IPv4 address by which other nodes reach this one, not ${JSON.stringify(context.value)}: it is announced to the supernode`;
  context.issues.push({ code: "custom", input: context.value, message });
});

const certificates = (what: string) =>
  documented(texts, what, { type: "list of paths", default: "the host's authorities" }).default([]);

const registryMirror = configSection({
  remote: documented(remoteUrl, "the registry that requests to dfdaemon itself go to", {
    type: "URL",
  }).default("https://index.docker.io"),
  certs: certificates("PEM files of the authorities to trust for it"),
  insecure: documented(flag, "accept any certificate of it").default(false),
  direct: documented(flag, "never by p2p").default(false),
});

const proxyRule = configSection({
  regx: documented(regx, "matches the full URL, anywhere in it", {
    type: "regular expression",
    default: "must be given",
  }),
  use_https: documented(flag, "ask the source by https, whatever the client said").default(false),
  direct: documented(flag, "straight to the source, not by p2p").default(false),
  redirect: documented(
    text.regex(/^[^\s/]*$/, "expected host or host:port"),
    "`host[:port]` to ask instead",
  ).default(""),
});

const hijackHttps = configSection({
  cert: documented(
    text,
    "PEM file: a server certificate, or an authority by which one is minted for each host",
    { type: "path", default: "must be given" },
  ),
  key: documented(text, "PEM file: its key", { type: "path", default: "must be given" }),
  hosts: documented(
    z.array(
      configSection({
        regx: documented(regx, "matches `host:port` of the CONNECT request, anywhere in it", {
          type: "regular expression",
          default: "must be given",
        }),
        insecure: documented(flag, "accept any certificate of that source").default(false),
        certs: certificates("PEM files of the authorities to trust for that source"),
      }),
      "expected a list",
    ),
    "in whose place dfdaemon answers; the first that matches counts; none does: a blind tunnel",
  ).default([]),
});

const supernode = text.check((context) => {
  if (parseSupernode(context.value)) return;
  const message = "expected host[:port][=weight], such as supernode.example:8002=1";
  context.issues.push({ code: "custom", input: context.value, message });
});

export const SHAPE = {
  registry_mirror: documented(registryMirror, "for engines that use dfdaemon as a mirror").prefault(
    {},
  ),
  proxies: documented(
    z.array(proxyRule, "expected a list"),
    "which requests of proxy clients go by p2p; the first that matches counts; none does: straight",
  ).default([]),
  hijack_https: documented(hijackHttps, "for engines that use dfdaemon as an HTTPS proxy")
    .nullable()
    .default(null),
  port: documented(port, "listened on; 0: any free one").default(65001),
  hostIp: documented(text.min(1, "expected an address"), "listened on (v1 ignored it)", {
    type: "IP address",
  }).default("127.0.0.1"),
  certpem: documented(text, "PEM file: with `keypem`, dfdaemon itself is reached by TLS", {
    type: "path",
  }).default(""),
  keypem: documented(text, "PEM file: the key of `certpem`", { type: "path" }).default(""),
  verbose: documented(flag, "log more").default(false),
  maxprocs: documented(z.int("expected a whole number"), "without effect").default(4),
  dfget_flags: documented(
    texts,
    "flags of dfget for the peer inside dfdaemon: `--ip`, `--port`, `--home`, `--node`, `--filter`, `--minrate`, `--clientqueue`, `--expiretime`, `--callsystem`, `--zone`; the others are without effect",
  ).default([]),
  supernodes: documented(z.array(supernode, "expected a list"), "besides those of dfget.yml", {
    type: "list of supernodes",
  }).default([]),
  ratelimit: documented(rateSchema, "of one download, and of all together").prefault("20M"),
  workHome: documented(
    text,
    "`logs/dfdaemon.log`; the cache, unless dfget's `--home` says otherwise",
    {
      type: "path",
      default: "`$STATE_DIRECTORY` where systemd sets it, else $HOME/.small-dragonfly",
    },
  ).default(defaultWorkHome),
  localrepo: documented(text, "without effect: no second file is written", {
    type: "path",
  }).default(""),
  dfpath: documented(text, "without effect: no process is started", { type: "path" }).default(
    "/usr/local/bin/dfget",
  ),
  logConfig: documented(logConfigSchema, "how the log is written and rotated").prefault({}),
  localIP: documented(announcedAddress, "announced to the supernode", {
    type: "IPv4 address",
    default: "the one by which the supernode is reached, also when that changes",
  }).default(""),
  peerPort: documented(port, "of the peer server; 0: the first free one of 15000 to 65000").default(
    0,
  ),
  streamMode: documented(flag, "without effect: layers are always streamed").default(false),
  allowedClients: documented(
    z.array(addressRange, "expected a list"),
    "who may use the proxy besides this host itself, by whatever `hostIp`; others get 403, but for `/metrics`, `/healthz` and `/readyz`. Containers with addresses of their own are others",
    { ours: true, type: "list of CIDR ranges" },
  ).default([]),
  hostAliases: documented(
    z.record(z.string(), text),
    "addresses to use for host names instead of the resolver's",
    { ours: true, type: "host name: IP address" },
  ).default({}),
  tls: documented(
    tlsSchema,
    "by what supernodes and peers prove to each other that they belong together, by TLS",
    { ours: true, default: "as dfget.yml says" },
  )
    .nullable()
    .default(null),
  secretFile: documented(text, "the same by secrets that they share, one a line", {
    ours: true,
    type: "path",
    default: "as dfget.yml says",
  }).default(""),
  tracing: documented(tracingSchema, "where to send OpenTelemetry traces", { ours: true })
    .nullable()
    .default(null),
};

/** dfdaemon.yml: v1's keys and defaults (protocol §5), and some of our own. */
export const proxyConfigSchema = configSection(SHAPE);
export type ProxyConfig = z.output<typeof proxyConfigSchema>;

/** What a flag or an environment variable may set: what is not a block. */
export const SETTABLE = [
  "certpem",
  "dfget_flags",
  "dfpath",
  "hostIp",
  "keypem",
  "localIP",
  "localrepo",
  "maxprocs",
  "peerPort",
  "port",
  "ratelimit",
  "registry_mirror.remote",
  "streamMode",
  "supernodes",
  "verbose",
  "workHome",
] as const;
export type SettingName = (typeof SETTABLE)[number];
/** Settings as text, as flags and variables hold them. */
export type Settings = Partial<Record<SettingName, string>>;

/** v1's defaults, some of them replaced: for programs that embed the proxy. */
export function defaultConfig(given: Readonly<Record<string, unknown>> = {}): ProxyConfig {
  return proxyConfigSchema.parse(given);
}

/** Under systemd the unit says where a service keeps its files (`StateDirectory=`). */
function defaultWorkHome(): string {
  return process.env.STATE_DIRECTORY || join(homedir(), ".small-dragonfly");
}
