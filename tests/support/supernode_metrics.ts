import { parseSamples, parseSelector, sumOf } from "../../monitoring/metric_samples.ts";
import type { Supernode } from "./supernode.ts";

/**
 * Reads a supernode's metrics.
 *
 * @returns the sum of the samples that a selector picks: a name without `dragonfly_supernode_`, and labels
 */
export async function supernodeMetrics({
  node,
}: Pick<Supernode, "node">): Promise<(selector: string) => number> {
  const samples = parseSamples(await (await fetch(`http://${node}/metrics`)).text());
  return (selector) => sumOf(samples, parseSelector(`dragonfly_supernode_${selector}`)) ?? 0;
}
