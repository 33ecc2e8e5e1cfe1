import { rm } from "node:fs/promises";
import { join } from "node:path";
import { blobsIn, type Image, manifestDigestIn } from "../support/image.ts";
import { RunningProgram } from "../support/process.ts";
import type { Registry } from "../support/registry.ts";
import { finishedWithin } from "./finished_within.ts";
import { registryError } from "./images.ts";
import type { Site } from "./site.ts";

/** A pull through a node by skopeo on that node, as the engine would do it. */
export interface PullPlan {
  site: Site;
  registry: Registry;
  node: number;
  /** Of the proxy; default: the node's own. */
  proxy?: string;
  repository: string;
  /** What a direct pull brings, or the registry's words for why it cannot. */
  expected: Image | string;
  /** A pull that takes longer has failed, ms. */
  limitMs: number;
}

export interface PullAttempt {
  /** ms, `performance.now()`. */
  startedMs: number;
  endedMs: number;
  /** Bytes that were compared, or why the client did not get what a direct pull would have. */
  bytes: number;
  failure: string | undefined;
  /** A failure that nothing excuses: the client has a whole that is wrong. */
  wrong: boolean;
}

let pulls = 0;

/** Pulls once, and compares what came with what a direct pull brings. */
export async function pullOnce(plan: PullPlan): Promise<PullAttempt> {
  const { site, registry, node, expected, limitMs } = plan;
  const into = join(site.scratch.dir, `pulled-${pulls++}`);
  const startedMs = performance.now();
  const program = RunningProgram.start(
    site.scratch,
    [
      ...site.hosts.parts[`node${node}`]!.prefix,
      ...["skopeo", "copy", "--quiet", "--insecure-policy"],
      `--src-cert-dir=${site.authority.directory}`,
      `docker://${registry.host}/${plan.repository}:latest`,
      `dir:${into}`,
    ],
    { env: { HTTPS_PROXY: plan.proxy ?? site.nodes[node]!.url } },
  );
  const finished = await finishedWithin(program, limitMs);
  const attempt = { startedMs, endedMs: performance.now(), bytes: 0, wrong: false };
  try {
    if (!finished) {
      return { ...attempt, failure: `not done after ${limitMs / 1000} s: ${program.output}` };
    }
    if (finished.code !== 0) {
      if (typeof expected === "string" && said(finished.output) === expected) {
        return { ...attempt, failure: undefined };
      }
      return { ...attempt, failure: finished.output.trim() || `exit ${finished.code}` };
    }
    // Newer versions mend a stream that breaks off by a second request; ours must not break off.
    if (finished.output.includes("reconnecting")) {
      return { ...attempt, failure: finished.output.trim() };
    }
    if (typeof expected === "string") {
      return { ...attempt, failure: `it went well without "${expected}"`, wrong: true };
    }
    const blobs = await blobsIn(into);
    const digests = new Set(blobs.map(({ digest }) => digest));
    const whole =
      (await manifestDigestIn(into)) === expected.manifestDigest &&
      [...expected.layers.map(({ digest }) => digest), expected.configDigest].every((digest) =>
        digests.has(digest),
      );
    if (!whole) return { ...attempt, failure: "the bytes are others", wrong: true };
    const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
    return { ...attempt, bytes, failure: undefined };
  } finally {
    await rm(into, { recursive: true, force: true });
  }
}

function said(output: string): string | undefined {
  try {
    return registryError(output);
  } catch {
    return undefined;
  }
}
