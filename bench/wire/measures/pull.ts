import { type LoopbackNetwork, loopbackNetwork } from "../../demo/loopback.ts";
import { fillPageCache } from "../../full_page_cache.ts";
import { ShapedNetwork } from "../../rollout/shaped_network.ts";
import { sample } from "../command.ts";
import { closing, compare } from "../compare.ts";
import { GiB } from "../file_of.ts";
import type { Bench, Measure } from "../measure.ts";
import { type Places, Site } from "../site.ts";
import { skopeoPull } from "../skopeo.ts";

/** Mbit/s. */
const REGISTRY_LINK = 1000;
const WIDE_LINK = 10_000;
const REPOSITORY = "library/wire";
/** As unlike as those of real images. */
export const LAYERS = [0.05, 0.15, 0.3, 0.5].map((part) => Math.round(part * GiB));

export const pull: Measure = {
  what: "skopeo copy of 1 GiB through dfdaemon, cold, alone, against direct; link of 1 Gbit/s, and none",
  target: "≤ 1.05; ≤ 1.7",
  async run(bench) {
    const lines = [await pullUnshaped(bench)];
    const places = await behindOneLink(bench);
    lines.unshift(await pullCold(bench, places, "pull at 1 Gbit/s"));
    return lines;
  },
};

async function pullUnshaped(bench: Bench): Promise<string> {
  return pullCold(bench, onLoopback(loopbackNetwork(), 1), "pull");
}

async function pullCold(bench: Bench, places: Places, name: string): Promise<string> {
  bench.say(`${name}: pushing an image of 1 GiB`);
  const site = await Site.open(bench, places);
  const { registry } = site;
  await registry.push(REPOSITORY, LAYERS);
  const { prefix } = places.nodes[0]!;
  const result = await compare(bench, {
    unit: "s",
    async ours() {
      const [node] = await site.cold();
      await fillPageCache(bench.directory);
      const proxy = { url: node!.url, trust: site.trust };
      return sample(await skopeoPull(bench, { registry, repository: REPOSITORY, proxy, prefix }));
    },
    async theirs() {
      await fillPageCache(bench.directory);
      return sample(await skopeoPull(bench, { registry, repository: REPOSITORY, prefix }));
    },
  });
  await site.stop();
  return closing(name, result, "s");
}

/** A registry behind a link of 1 Gbit/s, and a node, with its supernode, that takes more. */
export async function behindOneLink(bench: Bench): Promise<Places> {
  const network = new ShapedNetwork(`wire-${process.pid}`);
  bench.atEnd(() => network.close());
  await network.open();
  const registry = await network.host("registry", 1, REGISTRY_LINK);
  const node = await network.host("node", 11, WIDE_LINK);
  return { registry, supernode: node, nodes: [node] };
}

/** All on this host, each with an address of its own. */
export function onLoopback(network: LoopbackNetwork, nodes: number): Places {
  return {
    registry: { address: network(1) },
    supernode: { address: network(2) },
    nodes: Array.from({ length: nodes }, (_, node) => ({ address: network(11 + node) })),
  };
}
