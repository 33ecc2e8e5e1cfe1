import { loopbackNetwork } from "../../demo/loopback.ts";
import { fillPageCache } from "../../full_page_cache.ts";
import { closing, compare } from "../compare.ts";
import type { Measure } from "../measure.ts";
import { Site } from "../site.ts";
import { skopeoPull } from "../skopeo.ts";
import { onLoopback } from "./pull.ts";

const NODES = 4;
const REPOSITORY = "library/wire";
const LAYERS = [25, 75, 150, 250].map((megabytes) => megabytes * 1e6);

export const cluster: Measure = {
  what: "four dfdaemons and skopeos that pull 500 MB at once by TLS in TLS, against four directly",
  target: "≤ 1.3, egress ≤ 1.02",
  async run(bench) {
    const site = await Site.open(bench, onLoopback(loopbackNetwork(), NODES), true);
    const { registry } = site;
    bench.say("pushing an image of 500 MB");
    const image = await registry.push(REPOSITORY, LAYERS);
    const egresses: number[] = [];
    const all = async (proxies: ({ url: string; trust: string } | undefined)[]) => {
      await fillPageCache(bench.directory);
      const took = await Promise.all(
        proxies.map((proxy) => skopeoPull(bench, { registry, repository: REPOSITORY, proxy })),
      );
      return Math.max(...took.map(({ seconds }) => seconds));
    };
    const result = await compare(bench, {
      unit: "s",
      async ours() {
        const nodes = await site.cold();
        await registry.egress();
        const value = await all(nodes.map(({ url }) => ({ url, trust: site.trust })));
        const egress = (await registry.egress()) / image.size;
        egresses.push(egress);
        return { value, notes: { egress: egress.toFixed(3) } };
      },
      theirs: async () => ({ value: await all(Array.from({ length: NODES }, () => undefined)) }),
    });
    await site.stop();
    return [
      `cluster egress=${Math.max(...egresses).toFixed(3)} at most`,
      closing("cluster", result, "s"),
    ];
  },
};
