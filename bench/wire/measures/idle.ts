import { setTimeout as sleep } from "node:timers/promises";
import { loopbackNetwork } from "../../demo/loopback.ts";
import { processUsage } from "../../process_usage.ts";
import type { Bench, Measure } from "../measure.ts";
import { Site } from "../site.ts";
import { skopeoPull } from "../skopeo.ts";
import { onLoopback } from "./pull.ts";

const PULLS = 10;
const LAYERS = [10, 30, 60, 100].map((megabytes) => megabytes * 1e6);
/** Buffers that nobody uses are let go after some seconds, and then the runtime tidies its heap once: idle is what comes after. */
const SETTLE_MS = 60_000;
const IDLE_MS = 30_000;
/** What must be reached, bytes. */
const RSS = 110e6;

export const idle: Measure = {
  what: "memory and processor time of dfdaemon and supernode, idle, after 10 pulls of 200 MB",
  target: "RSS ≤ 110 MB each; CPU < 0.5 %",
  async run(bench) {
    const site = await Site.open(bench, onLoopback(loopbackNetwork(), 1));
    const { registry } = site;
    bench.say(`pushing ${PULLS} images of 200 MB, and pulling them`);
    const [node] = await site.cold();
    const proxy = { url: node!.url, trust: site.trust };
    for (let pull = 0; pull < PULLS; pull++) {
      const repository = `library/idle-${pull}`;
      await registry.push(repository, LAYERS);
      await skopeoPull(bench, { registry, repository, proxy });
    }
    await sleep(SETTLE_MS, undefined, { signal: bench.signal });
    const programs = [node!.program, site.supernode.program];
    const lines = await Promise.all(programs.map(({ label, pid }) => watch(bench, label, pid)));
    await site.stop();
    const worst = Math.max(...lines.map(({ rss }) => rss));
    return [
      ...lines.map(({ line }) => line),
      `idle ratio=${(worst / RSS).toFixed(2)} (ours ${mb(worst)}, theirs ${mb(RSS)}: what must be reached)`,
    ];
  },
};

async function watch({ signal }: Bench, label: string, pid: number) {
  const before = await processUsage(pid);
  await sleep(IDLE_MS, undefined, { signal });
  const { rss, peakRss, cpuSeconds } = await processUsage(pid);
  const percent = ((cpuSeconds - before.cpuSeconds) / (IDLE_MS / 1000)) * 100;
  return {
    rss,
    line: `${label}: RSS ${mb(rss)}, at most ${mb(peakRss)}; CPU ${percent.toFixed(2)} %`,
  };
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
