#!/usr/bin/env node
import { once, setMaxListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runMain } from "../../runtime/command_line.ts";
import { freeBytes } from "../../runtime/files.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { generateImage, layerSizes } from "./image.ts";
import { freePort, loopbackNetwork } from "./loopback.ts";
import { type DemoOptions, readOptions } from "./options.ts";
import { Programs } from "./program.ts";
import { pullOnAllNodes, REPOSITORY } from "./pull_on_all_nodes.ts";
import { REGISTRY_HOST, type RunningRegistry, startRegistry } from "./registry.ts";
import { type Egress, type NodeRow, renderTable, verdict } from "./table.ts";

const LAYERS = 5;

/** Told to stop by ctrl-C or another signal. */
class Stopped extends Error {
  readonly code: number;

  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

async function main(): Promise<number> {
  const options = await readOptions(process.argv.slice(2));
  if (typeof options === "number") return options;

  const stop = new AbortController();
  // Every node listens to it: more than the ten that node takes for a leak.
  setMaxListeners(0, stop.signal);
  const programs = new Programs();
  const told = (reason: Error) => {
    // The second time means at once; what is left of the cleaning up is done all the same.
    if (stop.signal.aborted) programs.kill();
    stop.abort(reason);
  };
  for (const [name, code] of Object.entries(EXIT_CODES)) {
    process.on(name, () => told(new Stopped("stopped", code)));
  }
  process.on("uncaughtException", told);
  process.on("exit", () => programs.kill());

  let directory: string | undefined;
  let registry: RunningRegistry | undefined;
  try {
    directory = await makeDirectory();
    await checkSpace(directory, options);
    say(`making an image of ${options.size} MB in ${LAYERS} layers`);
    const image = await generateImage({
      directory: join(directory, "image"),
      layerBytes: layerSizes(options.size * 1e6, LAYERS),
      signal: stop.signal,
    });
    say(`starting a registry, a supernode and ${options.nodes} nodes`);
    const network = loopbackNetwork();
    const hostname = network(1);
    const port = await freePort(hostname);
    const repositories = { [REPOSITORY]: image.directory };
    registry = await startRegistry({ repositories, hostname, port });
    const { nodes } = options;
    const { signal } = stop;
    const cluster = await startCluster({ directory, registry, nodes, network, programs, signal });
    say("pulling on all of them at once");
    const rows = await pullOnAllNodes({ cluster, registry, image, programs, stop });
    const code = report(rows, { sent: registry.totalEgress(), image: image.size, nodes });
    if (options.keep) await keep(cluster, registry, directory, signal);
    return code;
  } catch (error) {
    const reason = stop.signal.aborted ? stop.signal.reason : error;
    process.stderr.write(`demo: ${(reason as Error).message}\n`);
    return reason instanceof Stopped ? reason.code : 1;
  } finally {
    stop.abort();
    await Promise.all([programs.stop(), registry?.close()]);
    if (directory) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function makeDirectory(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), "dragonfly-demo-"));
  } catch (error) {
    throw new Error(`cannot make a directory in ${tmpdir()}: ${(error as Error).message}`);
  }
}

async function checkSpace(directory: string, { nodes, size }: DemoOptions): Promise<void> {
  const needed = (nodes + 1) * size * 1e6;
  const free = await freeBytes(directory);
  if (free < needed) {
    throw new Error(
      `${directory} has ${Math.floor(free / 1e6)} MB free, the image and ${nodes} copies of it need ${needed / 1e6} MB: take a smaller --size, fewer --nodes, or another TMPDIR`,
    );
  }
}

function report(rows: readonly NodeRow[], egress: Egress): number {
  process.stdout.write(`\n${renderTable(rows, egress)}\n`);
  const problem = verdict(rows, egress);
  if (problem === undefined) return 0;
  process.stderr.write(`demo: ${problem}\n`);
  return 1;
}

/** Says how to use what runs, and waits for ctrl-C. */
async function keep(
  cluster: Cluster,
  registry: RunningRegistry,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  const proxies = cluster.nodes.map((node) => `http://${node.address}:${node.port}`);
  const manifest = `${registry.url}/v2/${REPOSITORY}/manifests/latest`;
  const lines = [
    "",
    "Everything keeps running until ctrl-C.",
    `  image      ${REGISTRY_HOST}:${registry.port}/${REPOSITORY}:latest`,
    `  supernode  ${cluster.supernodeUrl}`,
    ...cluster.nodes.map((node, index) => `  ${node.name.padEnd(9)}  ${proxies[index]}`),
    `  files      ${directory}`,
    "Each node is an HTTPS proxy, for example:",
    `  curl --proxy ${proxies[0]} --cacert ${cluster.ca.certPath} ${manifest}`,
    "",
  ];
  process.stdout.write(lines.join("\n"));
  if (!signal.aborted) await once(signal, "abort");
  if (!(signal.reason instanceof Stopped)) throw signal.reason;
  say("stopping");
}

function say(message: string): void {
  process.stdout.write(`${message}\n`);
}

await runMain("demo", main);
