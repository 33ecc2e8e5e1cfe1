import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { freePort } from "../demo/loopback.ts";
import type { Program } from "../demo/program.ts";
import { run } from "./command.ts";
import type { Bench } from "./measure.ts";

type Name = "supernode" | "dfget" | "dfdaemon";

/** How to start one of our programs, as bundled for this benchmark. */
export function ourCommand({ options }: Bench, name: Name): string[] {
  const file = join(dirname(fileURLToPath(import.meta.url)), `${name}.js`);
  if (options.runtime === "deno") {
    const deno = [join("node_modules", ".bin", "deno")].find((path) => existsSync(path)) ?? "deno";
    const [v8Flags] = readFileSync("packaging/launcher.sh", "utf8").match(/--v8-flags=\S+/)!;
    return [deno, "run", "--allow-all", "--quiet", v8Flags, file];
  }
  const profile = options.cpuProf ? ["--cpu-prof", `--cpu-prof-dir=${options.cpuProf}`] : [];
  return [process.execPath, ...profile, file];
}

export interface SupernodeOptions {
  address: string;
  pattern: "local" | "source";
  /** Bytes a second that it may fetch from sources. Default: more than can be had. */
  sourceRate?: number;
  hostAliases?: Record<string, string>;
  /** Goes before the command. */
  prefix?: readonly string[];
}

export interface RunningSupernode {
  /** `host:port`. */
  node: string;
  home: string;
  program: Program;
}

/** What a supernode leaves of its bandwidth to others, bytes a second. */
const RESERVED = 1_000_000;

let lastHome = 0;

/** Starts a supernode with an empty cache, and limits that do not matter. */
export async function startSupernode(
  bench: Bench,
  options: SupernodeOptions,
): Promise<RunningSupernode> {
  const { address, pattern, hostAliases = {}, sourceRate = 20e9 } = options;
  const port = await freePortOf(options);
  const home = join(bench.directory, `supernode-${++lastHome}`);
  const program = await startConfigured(bench, "supernode", home, options.prefix, {
    base: {
      listenIp: address,
      advertiseIP: address,
      listenPort: port,
      downloadPort: port,
      homeDir: home,
      cdnPattern: pattern,
      maxBandwidth: sourceRate + RESERVED,
      systemReservedBandwidth: RESERVED,
      hostAliases,
    },
  });
  await answers(bench, program, `http://${address}:${port}/_ping`, options.prefix);
  return { node: `${address}:${port}`, home, program };
}

export interface DfdaemonOptions {
  address: string;
  supernode?: string;
  hostAliases?: Record<string, string>;
  /** PEM files of the authority by which it speaks for registries. */
  hijack?: { cert: string; key: string; hosts: string; registryCa: string };
  /** PEM files: it is reached by TLS itself. */
  tls?: { cert: string; key: string };
  /** Bytes a second. Default: 20 GB. */
  ratelimit?: string;
  prefix?: readonly string[];
  home?: string;
}

export interface RunningDfdaemon {
  /** `http://address:port`. */
  url: string;
  address: string;
  port: number;
  peerPort: number;
  home: string;
  program: Program;
}

/** Starts a dfdaemon with an empty cache, or what lies in its home. */
export async function startDfdaemon(
  bench: Bench,
  options: DfdaemonOptions,
): Promise<RunningDfdaemon> {
  const { address, supernode, hijack, tls, hostAliases = {} } = options;
  const port = await freePortOf(options);
  const peerPort = await freePortOf(options, port);
  const home = options.home ?? join(bench.directory, `dfdaemon-${++lastHome}`);
  const program = await startConfigured(bench, "dfdaemon", home, options.prefix, {
    hostIp: address,
    port,
    workHome: home,
    localIP: address,
    peerPort,
    ratelimit: options.ratelimit ?? "20G",
    supernodes: supernode ? [supernode] : [],
    proxies: [{ regx: "blobs/sha256.*" }],
    hostAliases,
    ...(hijack
      ? {
          hijack_https: {
            cert: hijack.cert,
            key: hijack.key,
            hosts: [{ regx: hijack.hosts, certs: [hijack.registryCa] }],
          },
        }
      : {}),
    ...(tls ? { certpem: tls.cert, keypem: tls.key } : {}),
  });
  const url = `${tls ? "https" : "http"}://${address}:${port}`;
  await answers(bench, program, `${url}/metrics`, options.prefix);
  return { url, address, port, peerPort, home, program };
}

async function startConfigured(
  bench: Bench,
  name: Name,
  home: string,
  prefix: readonly string[] = [],
  config: object,
): Promise<Program> {
  await mkdir(home, { recursive: true });
  const file = join(home, `${name}.yml`);
  await writeFile(file, stringify(config));
  const command = [...ourCommand(bench, name), "--config", file];
  return bench.programs.start({
    label: name,
    command: [...prefix, "env", ...(await unitEnvironment(bench, name)), ...command],
    log: join(home, "output.log"),
  });
}

/** `NAME=value` of what systemd starts the program with: by the packages' units it runs on Deno. */
async function unitEnvironment({ options }: Bench, name: Name): Promise<string[]> {
  if (options.runtime !== "deno") return [];
  const unit = await readFile(`debian/dragonfly-${name}.service`, "utf8");
  return [...unit.matchAll(/^Environment=(.+)$/gm)].map(([, setting]) => setting!);
}

/** On a host of its own any port is free. */
async function freePortOf(
  { address, prefix }: { address: string; prefix?: readonly string[] },
  butNot?: number,
): Promise<number> {
  return prefix ? (butNot ?? 20_000) + 1 + ++lastHome : freePort(address, butNot);
}

/** Resolves when a program answers. */
export async function answers(
  bench: Bench,
  program: Program,
  url: string,
  prefix: readonly string[] = [],
): Promise<void> {
  const ask = [...prefix, "curl", "-skf", "--noproxy", "*", "-m", "2", "-o", "/dev/null", url];
  await program.ready(
    () =>
      run(ask).then(
        () => true,
        () => false,
      ),
    bench.signal,
  );
}
