import { writeFile } from "node:fs/promises";
import { loopbackNetwork } from "../../demo/loopback.ts";
import { fillPageCache } from "../../full_page_cache.ts";
import { draw, frame, line } from "../../line_chart.ts";
import { processUsage } from "../../process_usage.ts";
import { getBlob } from "../blob_client.ts";
import { median } from "../compare.ts";
import type { Bench, Measure } from "../measure.ts";
import type { RunningDfdaemon } from "../our_programs.ts";
import { Site } from "../site.ts";
import { onLoopback } from "./pull.ts";

const PEERS = [1, 2, 4, 8, 16];
const LAYERS = [1, 3, 10, 30, 100];
/** Bytes of an image, whatever its layers. */
const BYTES = 200e6;
const REPOSITORY = "library/growth";

/** What an image has cost a node. */
interface Cost {
  /** Processor seconds a GB. */
  cpu: number;
  /** Memory at most, MB. */
  rss: number;
}

export const growth: Measure = {
  what: "processor time a GB and memory of a node, by the peers that it gets 200 MB from, and by their layers",
  target: "near flat",
  async run(bench) {
    const byPeers = await measureEach(bench, "peers", PEERS, costOfPeers);
    const byLayers = await measureEach(bench, "layers", LAYERS, costOfLayers);
    if (bench.options.svg) await writeFile(bench.options.svg, drawCosts(byPeers, byLayers));
    const [first, last] = [byPeers.get(PEERS[0]!)!, byPeers.get(PEERS.at(-1)!)!];
    return [
      `growth ratio=${(last.cpu / first.cpu).toFixed(2)} (ours ${last.cpu.toFixed(2)} s a GB with ${PEERS.at(-1)} peers, theirs ${first.cpu.toFixed(2)} s with ${PEERS[0]})`,
    ];
  },
};

async function measureEach(
  bench: Bench,
  what: string,
  counts: readonly number[],
  costOf: (bench: Bench, count: number) => Promise<Cost>,
): Promise<Map<number, Cost>> {
  const costs = new Map<number, Cost>();
  for (const count of counts) {
    const runs: Cost[] = [];
    for (let run = 0; run < bench.options.runs; run++) runs.push(await costOf(bench, count));
    const cost = {
      cpu: median(runs.map(({ cpu }) => cpu)),
      rss: median(runs.map(({ rss }) => rss)),
    };
    costs.set(count, cost);
    bench.say(
      `${count} ${what}: ${cost.cpu.toFixed(2)} s of CPU a GB, RSS ${cost.rss.toFixed(0)} MB`,
    );
  }
  return costs;
}

/** One blob, which so many peers have already. */
const costOfPeers = (bench: Bench, peers: number) => costOf(bench, peers, 1);

/** An image of so many layers, from the registry and one peer. */
const costOfLayers = (bench: Bench, layers: number) => costOf(bench, 1, layers);

async function costOf(bench: Bench, peers: number, layers: number): Promise<Cost> {
  const site = await Site.open(bench, onLoopback(loopbackNetwork(), peers + 1));
  const image = await site.registry.push(
    REPOSITORY,
    Array.from({ length: layers }, () => Math.round(BYTES / layers)),
  );
  const [node, ...others] = await site.cold();
  const get = (through: RunningDfdaemon) =>
    Promise.all(image.layers.map(({ digest }) => getBlob(site.blob(REPOSITORY, digest, through))));
  await Promise.all(others.map(get));
  await fillPageCache(bench.directory);
  const before = await processUsage(node!.program.pid);
  await get(node!);
  const after = await processUsage(node!.program.pid);
  await site.close();
  return {
    cpu: (after.cpuSeconds - before.cpuSeconds) / (BYTES / 1e9),
    rss: after.peakRss / 1e6,
  };
}

function drawCosts(byPeers: Map<number, Cost>, byLayers: Map<number, Cost>): string {
  const cpu = (costs: Map<number, Cost>) => [...costs].map(([count, { cpu }]) => [count, cpu]);
  const rss = (costs: Map<number, Cost>) => [...costs].map(([count, { rss }]) => [count, rss]);
  return draw({
    ...frame("What 200 MB cost a node"),
    grid: { left: 60, right: 60, top: 50, bottom: 90 },
    xAxis: { type: "log", name: "peers, or layers", nameLocation: "middle", nameGap: 28 },
    yAxis: [
      { type: "value", name: "CPU s a GB", min: 0 },
      { type: "value", name: "RSS, MB", min: 0, splitLine: { show: false } },
    ],
    series: [
      line("CPU by peers", cpu(byPeers), true),
      line("CPU by layers", cpu(byLayers), true),
      { ...line("RSS by peers", rss(byPeers), true), yAxisIndex: 1 },
      { ...line("RSS by layers", rss(byLayers), true), yAxisIndex: 1 },
    ],
  });
}
