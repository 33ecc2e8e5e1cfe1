import { mkdir, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { blockCount } from "../../protocol/swarm/blocks.ts";
import { runMain } from "../../runtime/command_line.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { freePort } from "../demo/loopback.ts";
import { type Program, programCommand } from "../demo/program.ts";
import { processUsage } from "../process_usage.ts";
import { type BenchContext, runBench } from "../run_bench.ts";
import type { LatencySummary } from "./latencies.ts";
import type { LoadQuestion } from "./load_program.ts";
import { readOptions, type SupernodeBenchOptions } from "./options.ts";
import { figures, type Phase, renderPhase } from "./report.ts";
import type { V1Latencies } from "./v1_clients.ts";

const HOST = "127.0.0.1";
/** Between two phases: what one has piled up must not burden the next, ms. */
const SETTLE_MS = 3000;
/** Bytes of the file that the swarm downloads, and of the one that v1 clients do. */
const SWARM_BYTES = 1_000_000_000;
const V1_BYTES = 80_000_000;

async function main(): Promise<number> {
  const options = await readOptions(process.argv.slice(2));
  if (typeof options === "number") return options;
  return runBench("supernode", (context) => bench(options, context));
}

async function bench(options: SupernodeBenchOptions, context: BenchContext): Promise<number> {
  const source = await startSource();
  context.atEnd(() => source.close());
  const { supernode, port } = await startSupernode(context, options.cpuProf);
  const load = context.programs.start({
    label: "load",
    command: [process.execPath, join(dirname(fileURLToPath(import.meta.url)), "load_program.js")],
    log: join(context.directory, "load.log"),
    answers: true,
  });
  const ask = <Result>(question: LoadQuestion) => load.ask<Result>(question);
  const phases: Phase[] = [];
  const phase = async (name: string, run: () => Promise<Phase["kinds"]>) => {
    const before = await processUsage(supernode.pid);
    const beganMs = performance.now();
    const kinds = await run();
    const seconds = (performance.now() - beganMs) / 1000;
    const after = await processUsage(supernode.pid);
    const { rss, peakRss } = after;
    const done = {
      name,
      kinds,
      seconds,
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      rss,
      peakRss,
    };
    phases.push(done);
    process.stdout.write(`${renderPhase(done)}\n`);
  };

  const { nodes, newcomers, clients, seconds, within } = options;
  const blob = `${source.url}/v2/app/blobs/sha256:${"a".repeat(64)}`;
  const blocks = blockCount(SWARM_BYTES);
  await phase(`${nodes} nodes register, some at a time`, async () => ({
    registration: await ask<LatencySummary>({
      kind: "register",
      nodes: { port, blob, blocks },
      count: nodes,
    }),
    heartbeat: await ask<LatencySummary>({ kind: "beats" }),
  }));
  await sleep(SETTLE_MS);
  await ask({ kind: "beats" });
  await phase(`${nodes} nodes send heartbeats`, async () => {
    await sleep(seconds * 1000);
    return { heartbeat: await ask<LatencySummary>({ kind: "beats" }) };
  });
  for (const withinMs of [within * 1000, 0]) {
    const how = withinMs > 0 ? `within ${within} s` : "in the same moment";
    const count = newcomers / 2;
    await phase(`${count} more register ${how}, meanwhile`, async () => {
      const registration = await ask<LatencySummary>({ kind: "registerAtOnce", count, withinMs });
      return { registration, heartbeat: await ask<LatencySummary>({ kind: "beats" }) };
    });
    await sleep(SETTLE_MS);
    await ask({ kind: "beats" });
  }
  await ask({ kind: "leave" });
  await phase(`${clients} v1 clients, ${V1_BYTES / 1e6} MB each`, async () => {
    const url = `${source.url}/v2/v1/blobs/sha256:${"b".repeat(64)}`;
    const v1 = await ask<V1Latencies>({
      kind: "v1",
      count: clients,
      clients: { port, url, pieceMs: options.piece },
    });
    return { "v1 registration": v1.register, "v1 pull": v1.pull, "v1 report": v1.report };
  });
  const { lines, problems } = figures(phases);
  for (const problem of problems) process.stderr.write(`supernode: ${problem}\n`);
  process.stdout.write(`${lines.join("\n")}\n`);
  return problems.length === 0 ? 0 : 1;
}

/** A source that says how long its two files are, and no more: nobody fetches them. */
async function startSource() {
  const server = http.createServer((request, response) => {
    const length = request.url?.startsWith("/v2/v1/") ? V1_BYTES : SWARM_BYTES;
    response.writeHead(request.method === "HEAD" ? 200 : 405, {
      "content-length": request.method === "HEAD" ? length : 0,
      "accept-ranges": "bytes",
      etag: '"1"',
    });
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function startSupernode(
  { directory, programs, signal }: BenchContext,
  cpuProf: string | undefined,
): Promise<{ supernode: Program; port: number }> {
  const port = await freePort(HOST);
  const home = join(directory, "supernode");
  await mkdir(home, { recursive: true });
  const config = join(home, "supernode.yml");
  const base = {
    listenIp: HOST,
    advertiseIP: HOST,
    listenPort: port,
    downloadPort: port,
    homeDir: home,
    cdnPattern: "source",
  };
  await writeFile(config, stringify({ base }));
  const [runtime, ...command] = programCommand("supernode");
  const flags = cpuProf ? ["--cpu-prof", `--cpu-prof-dir=${cpuProf}`] : [];
  const supernode = programs.start({
    label: "supernode",
    command: [runtime!, ...flags, ...command, "--config", config],
    log: join(directory, "supernode.log"),
  });
  const client = new HttpClient();
  await supernode.ready(async () => {
    const answer = await client.text(`http://${HOST}:${port}/_ping`).catch(() => undefined);
    return answer?.status === 200;
  }, signal);
  client.close();
  return { supernode, port };
}

await runMain("supernode", main);
