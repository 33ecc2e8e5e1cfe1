import { startBlobClients } from "../blob_clients.ts";
import { closing, compare } from "../compare.ts";
import { GiB } from "../file_of.ts";
import type { Measure } from "../measure.ts";
import { Site } from "../site.ts";
import { behindOneLink } from "./pull.ts";

const REPOSITORY = "library/wire";
/** Where the node is asked for a part beside who pulls the layer, for 8.6 s, and how long after he has begun, ms. */
const PART_START = Math.floor(0.8 * GiB);
const PART = `bytes=${PART_START}-${PART_START + 99}`;
const LATER_MS = 1500;

export const parts: Measure = {
  what: "100 bytes of a layer of 1 GiB by Range, cold: its last, and some at 80 % of it while it is pulled",
  target: "none",
  async run(bench) {
    const places = await behindOneLink(bench);
    const site = await Site.open(bench, places);
    bench.say("parts: pushing an image of 1 GiB");
    const image = await site.registry.push(REPOSITORY, [GiB]);
    const { digest } = image.layers[0]!;
    const clients = startBlobClients(bench, "clients", places.nodes[0]!.prefix);
    const question = async (through: boolean) =>
      site.blob(REPOSITORY, digest, through ? (await site.cold())[0] : undefined);
    const end = async (through: boolean) => {
      const asked = { ...(await question(through)), range: "bytes=-100" };
      const { firstByteMs } = await clients.get([asked]);
      return { value: firstByteMs[0]! };
    };
    const middle = async (through: boolean) => {
      const asked = await question(through);
      const later = { ...asked, range: PART, afterMs: LATER_MS };
      const { firstByteMs } = await clients.get([asked, later]);
      return { value: firstByteMs[1]! };
    };
    const sides = (get: typeof end) =>
      compare(bench, { unit: "ms", ours: () => get(true), theirs: () => get(false) });
    const lines = [closing("parts, the end", await sides(end), "ms")];
    lines.push(closing("parts", await sides(middle), "ms"));
    await site.stop();
    return lines;
  },
};
