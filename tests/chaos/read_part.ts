import { open } from "node:fs/promises";
import { blobPath, type Image } from "../support/image.ts";
import { RunningProgram } from "../support/process.ts";
import type { Registry } from "../support/registry.ts";
import { finishedWithin } from "./finished_within.ts";
import type { PullAttempt } from "./pull.ts";
import type { Site } from "./site.ts";

/** Some bytes of the largest layer of an image, by Range, through a node. */
export interface PartPlan {
  site: Site;
  registry: Registry;
  node: number;
  repository: string;
  image: Image;
  /** Where in the layer, in [0, 1). */
  at: number;
  /** At most: the layer may end before. */
  bytes: number;
  /** What takes longer has failed, ms. */
  limitMs: number;
}

/** Reads once, by curl on that node, and compares what came with what the layer has there. */
export async function readPart(plan: PartPlan): Promise<PullAttempt> {
  const { site, registry, node, image, limitMs } = plan;
  const layer = image.layers.reduce((largest, one) => (one.size > largest.size ? one : largest));
  const start = Math.floor(plan.at * layer.size);
  const length = Math.min(plan.bytes, layer.size - start);
  const startedMs = performance.now();
  const trust = site.authority.files.cert;
  const program = RunningProgram.start(site.scratch, [
    ...site.hosts.parts[`node${node}`]!.prefix,
    ...["curl", "--silent", "--show-error", "--fail", "--proxy", site.nodes[node]!.url],
    ...["--cacert", trust, "--proxy-cacert", trust, "--range", `${start}-${start + length - 1}`],
    `https://${registry.host}/v2/${plan.repository}/blobs/${layer.digest}`,
  ]);
  const finished = await finishedWithin(program, limitMs);
  const attempt = { startedMs, endedMs: performance.now(), bytes: 0, wrong: false };
  if (!finished) return { ...attempt, failure: `no part after ${limitMs / 1000} s` };
  if (finished.code !== 0) {
    return { ...attempt, failure: finished.stderr.trim() || `exit ${finished.code}` };
  }
  const right = Buffer.alloc(length);
  const blob = await open(blobPath(image, layer));
  await blob.read(right, 0, length, start);
  await blob.close();
  if (!right.equals(finished.stdout))
    return { ...attempt, failure: "the bytes of a part are others", wrong: true };
  return { ...attempt, bytes: length, failure: undefined };
}
