import { join } from "node:path";
import { runMain } from "../../runtime/command_line.ts";
import { generateImage, layerSizes } from "../demo/image.ts";
import { fillPageCache } from "../full_page_cache.ts";
import { processUsage } from "../process_usage.ts";
import { type BenchContext, runBench } from "../run_bench.ts";
import { Fleet, type FleetNode } from "./fleet.ts";
import { type RolloutOptions, readOptions } from "./options.ts";
import type { Pulled } from "./pull_program.ts";
import { type CpuRow, figures, type NodeTimes, renderCpu, renderTimes } from "./report.ts";
import { ShapedNetwork } from "./shaped_network.ts";

const LAYERS = 5;
const REPOSITORY = "bench/image";
/** Millions of bytes, and repository, of what the nodes pull before anything is measured. */
const WARM_UP = { repository: "bench/warm-up", size: 40 };

async function main(): Promise<number> {
  const options = await readOptions(process.argv.slice(2));
  if (typeof options === "number") return options;
  return runBench("rollout", (context) => rollout(options, context));
}

async function rollout(options: RolloutOptions, context: BenchContext): Promise<number> {
  const { nodes, size, rate } = options;
  const network = new ShapedNetwork(`dragonfly-${process.pid}`);
  context.atEnd(() => network.close());
  await network.open();
  say(`making an image of ${size} MB in ${LAYERS} layers`);
  const make = (name: string, megabytes: number) =>
    generateImage({
      directory: join(context.directory, name),
      layerBytes: layerSizes(megabytes * 1e6, LAYERS),
      seed: name,
      signal: context.signal,
    });
  const image = await make("image", size);
  const images = {
    [REPOSITORY]: image,
    ...(options.warmUp ? { [WARM_UP.repository]: await make("warm-up", WARM_UP.size) } : {}),
  };
  say(`starting a registry, a supernode and ${nodes} nodes, each link ${rate} Mbit/s`);
  const { cpuProf } = options;
  const fleet = await Fleet.start({ context, network, images, nodes, rate, cpuProf });
  if (options.warmUp) {
    // A node of a cluster is not in its first second of life.
    say(`a first image of ${WARM_UP.size} MB, to warm the programs up`);
    await pullOn(fleet, fleet.nodes, WARM_UP.repository, "p2p");
  }

  say("one node alone, directly");
  const alone = await fleet.pull(fleet.nodes[0]!, REPOSITORY, "direct");
  say(`  ${alone.seconds.toFixed(2)} s`);
  // The dfdaemons keep the image, and so do the clients.
  await fillPageCache(context.directory);
  let measured = fleet.nodes;
  if (options.late) {
    say("all but the last one, through their dfdaemons");
    await pullOn(fleet, fleet.nodes.slice(0, -1), REPOSITORY, "p2p");
    measured = fleet.nodes.slice(-1);
    say("the last one, through its dfdaemon");
  } else {
    say(`all ${nodes} at once, through their dfdaemons`);
  }
  const sentBefore = await fleet.egress();
  const cpuBefore = await cpuSeconds(fleet);
  const swarm = await pullOn(fleet, measured, REPOSITORY, "p2p");
  const cpu = await cpuSince(fleet, cpuBefore);
  const egress = ((await fleet.egress()) - sentBefore) / image.size;
  say(`${renderTimes(swarm)}\n${renderCpu(cpu, Math.max(...swarm.map((row) => row.seconds)))}`);
  let direct: NodeTimes[] | undefined;
  if (options.direct) {
    say(`all ${nodes} at once, directly`);
    direct = await pullOn(fleet, fleet.nodes, REPOSITORY, "direct");
    say(renderTimes(direct));
  }
  const { lines, problems } = figures({ alone, swarm, direct, egress });
  for (const problem of problems) process.stderr.write(`rollout: ${problem}\n`);
  say(lines.join("\n"));
  return problems.length === 0 ? 0 : 1;
}

async function pullOn(
  fleet: Fleet,
  nodes: readonly FleetNode[],
  repository: string,
  way: "direct" | "p2p",
): Promise<NodeTimes[]> {
  return Promise.all(
    nodes.map(async (node) => {
      const pulled: Pulled = await fleet.pull(node, repository, way);
      const origins = way === "p2p" ? await fleet.origins(node) : undefined;
      return { name: node.name, address: node.address, ...pulled, origins };
    }),
  );
}

interface Usages {
  registry: number;
  supernode: number;
  dfdaemons: number[];
  clients: number[];
}

async function cpuSeconds({ registry, supernode, nodes }: Fleet): Promise<Usages> {
  const used = async ({ pid }: { pid: number }) => (await processUsage(pid)).cpuSeconds;
  const each = (pick: (node: FleetNode) => { pid: number }) =>
    Promise.all(nodes.map((node) => used(pick(node))));
  return {
    registry: await used(registry),
    supernode: await used(supernode),
    dfdaemons: await each((node) => node.dfdaemon),
    clients: await each((node) => node.client),
  };
}

async function cpuSince(fleet: Fleet, before: Usages): Promise<CpuRow[]> {
  const after = await cpuSeconds(fleet);
  const since = (now: readonly number[], then: readonly number[]) =>
    now.map((seconds, index) => seconds - then[index]!);
  return [
    { name: "registry", seconds: [after.registry - before.registry] },
    { name: "supernode", seconds: [after.supernode - before.supernode] },
    { name: "dfdaemon", seconds: since(after.dfdaemons, before.dfdaemons) },
    { name: "client", seconds: since(after.clients, before.clients) },
  ];
}

function say(message: string): void {
  process.stdout.write(`${message}\n`);
}

await runMain("rollout", main);
