import { loopbackNetwork } from "../../demo/loopback.ts";
import { fillPageCache } from "../../full_page_cache.ts";
import { processUsage } from "../../process_usage.ts";
import { startBlobClients } from "../blob_clients.ts";
import { closing, compare } from "../compare.ts";
import type { Measure } from "../measure.ts";
import type { RunningDfdaemon } from "../our_programs.ts";
import { Site } from "../site.ts";
import { onLoopback } from "./pull.ts";

const CLIENTS = 200;
const BLOBS = 50;
const LAYER = 20e6;
const REPOSITORY = "library/wire";

export const many: Measure = {
  what: "200 clients that get 50 different blobs of 20 MB through one dfdaemon, against direct",
  target: "≥ 0.7 × of the bytes/s, no error, RSS ≤ 350 MB",
  async run(bench) {
    const site = await Site.open(bench, onLoopback(loopbackNetwork(), 1));
    const { registry } = site;
    bench.say(`pushing ${BLOBS} layers of 20 MB`);
    const image = await registry.push(
      REPOSITORY,
      Array.from({ length: BLOBS }, () => LAYER),
    );
    const clients = startBlobClients(bench, "clients");
    const all = async (node: RunningDfdaemon | undefined) => {
      await fillPageCache(bench.directory);
      const { seconds, bytes } = await clients.get(
        Array.from({ length: CLIENTS }, (_, client) =>
          site.blob(REPOSITORY, image.layers[client % BLOBS]!.digest, node),
        ),
      );
      return bytes / seconds / 1e9;
    };
    let peakRss = 0;
    const result = await compare(bench, {
      unit: "GB/s",
      async ours() {
        const [node] = await site.cold();
        const value = await all(node);
        const usage = await processUsage(node!.program.pid);
        peakRss = Math.max(peakRss, usage.peakRss);
        return { value, notes: { RSS: `${(usage.peakRss / 1e6).toFixed(0)} MB` } };
      },
      theirs: async () => ({ value: await all(undefined) }),
    });
    await site.stop();
    return [`many RSS=${(peakRss / 1e6).toFixed(0)} MB at most`, closing("many", result, "GB/s")];
  },
};
