import { loopbackNetwork } from "../../demo/loopback.ts";
import { fillPageCache } from "../../full_page_cache.ts";
import { sample } from "../command.ts";
import { closing, compare } from "../compare.ts";
import type { Measure } from "../measure.ts";
import { Site } from "../site.ts";
import { skopeoPull } from "../skopeo.ts";
import { LAYERS, onLoopback } from "./pull.ts";

const REPOSITORY = "library/wire";

export const warm: Measure = {
  what: "skopeo copy of 1 GiB again on the node, from its cache, against direct",
  target: "≤ 1.0",
  async run(bench) {
    const site = await Site.open(bench, onLoopback(loopbackNetwork(), 1));
    const { registry } = site;
    bench.say("pushing an image of 1 GiB, and pulling it once");
    await registry.push(REPOSITORY, LAYERS);
    const [node] = await site.cold();
    const proxy = { url: node!.url, trust: site.trust };
    await skopeoPull(bench, { registry, repository: REPOSITORY, proxy });
    const pull = async (by?: typeof proxy) => {
      await fillPageCache(bench.directory);
      return sample(await skopeoPull(bench, { registry, repository: REPOSITORY, proxy: by }));
    };
    const result = await compare(bench, {
      unit: "s",
      ours: () => pull(proxy),
      theirs: () => pull(),
    });
    await site.stop();
    return [closing("warm", result, "s")];
  },
};
