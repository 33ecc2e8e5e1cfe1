import { loopbackNetwork } from "../../demo/loopback.ts";
import { getBlob } from "../blob_client.ts";
import { closing, compare } from "../compare.ts";
import type { Measure } from "../measure.ts";
import type { RunningDfdaemon } from "../our_programs.ts";
import { Site } from "../site.ts";
import { onLoopback } from "./pull.ts";

const REPOSITORY = "library/wire";
const LAYER = 20e6;
/** They are short: more of them. */
const TIMES = 4;

export const ttfb: Measure = {
  what: "first byte of a blob that the node does not have, by hijacked TLS, against direct",
  target: "≤ +20 ms",
  async run(bench) {
    const runs = bench.options.runs * TIMES;
    const site = await Site.open(bench, onLoopback(loopbackNetwork(), 1));
    const { registry } = site;
    // The first one finds a program that has just started: it is not counted.
    const image = await registry.push(
      REPOSITORY,
      Array.from({ length: runs + 1 }, () => LAYER),
    );
    const [node] = await site.cold();
    const first = async (layer: number, through: boolean) => {
      const { digest } = image.layers[layer]!;
      const answer = await getBlob(site.blob(REPOSITORY, digest, through ? node : undefined), true);
      // The node fetches the rest although the client is gone, which must not delay the next one.
      await node!.program.ready(() => isIdle(node!), bench.signal);
      return { value: answer.firstByteMs };
    };
    await first(runs, true);
    const result = await compare(
      { ...bench, options: { ...bench.options, runs } },
      { unit: "ms", ours: (run) => first(run, true), theirs: (run) => first(run, false) },
    );
    await site.stop();
    return [
      `ttfb difference=${(result.ours - result.theirs).toFixed(1)} ms`,
      closing("ttfb", result, "ms"),
    ];
  },
};

/** Whether a node fetches nothing at the moment. */
async function isIdle({ url }: RunningDfdaemon): Promise<boolean> {
  const answer = await fetch(`${url}/metrics`);
  return /^dragonfly_dfdaemon_active_tasks 0$/m.test(await answer.text());
}
