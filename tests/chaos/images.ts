import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createImage, type Image, MB } from "../support/image.ts";
import { run } from "../support/process.ts";
import type { Registry } from "../support/registry.ts";
import type { Scratch } from "../support/scratch.ts";
import type { Wanted } from "./schedule.ts";

/** Bytes of the layers of each image that pulls choose from. */
const LAYERS = [
  [12 * MB],
  [4 * MB, 4 * MB, MB],
  [8 * MB, 1000],
  [6 * MB, 3 * MB],
  [64 * 1024, 9 * MB],
  [700 * 1024, 2 * MB, 5 * MB],
];
/** Images that nobody has pulled yet, each for one look at the swarm's health. */
const PROBES = 14;
const PROBE_LAYER = [5 * MB];

/** What the registry has. */
export interface Images {
  /** Repository of what a pull wants. */
  repository(wanted: Wanted): string;
  /** What a direct pull of it brings, or the registry's own words for why it cannot. */
  expected(wanted: Wanted): Image | string;
  probes: readonly { repository: string; image: Image }[];
}

/** Makes images and pushes them; the registry's own answers to what it lacks are asked for directly. */
export async function makeImages(scratch: Scratch, registry: Registry): Promise<Images> {
  const expected = new Map<Wanted, Image | string>();
  const push = async (name: string, layers: readonly number[]) => {
    const image = await createImage(scratch, name, layers);
    await registry.push(image, `chaos/${name}`);
    return image;
  };
  for (const [index, layers] of LAYERS.entries()) {
    expected.set(index, await push(`${index}`, layers));
  }
  const broken = await push("broken", [MB, 2 * MB]);
  const [, hex] = broken.layers[1]!.digest.split(":");
  await rm(join(registry.storage, "docker/registry/v2/blobs/sha256", hex!.slice(0, 2), hex!), {
    recursive: true,
  });
  for (const wanted of ["absent", "broken"] as const) {
    const into = join(scratch.dir, `direct-${wanted}`);
    const { address, port, authority } = registry;
    const finished = await run(scratch, [
      ...[
        "skopeo",
        "copy",
        "--quiet",
        "--insecure-policy",
        `--src-cert-dir=${authority.directory}`,
      ],
      ...[`docker://${address}:${port}/chaos/${wanted}:latest`, `dir:${into}`],
    ]);
    expected.set(wanted, registryError(finished.output));
  }
  const probes = [];
  for (let index = 0; index < PROBES; index++) {
    const name = `probe-${index}`;
    probes.push({ repository: `chaos/${name}`, image: await push(name, PROBE_LAYER) });
  }
  return {
    repository: (wanted) => `chaos/${wanted}`,
    expected: (wanted) => expected.get(wanted)!,
    probes,
  };
}

/**
 * What of a client's complaint comes from the registry.
 *
 * @throws {Error} where nothing does
 */
export function registryError(output: string): string {
  const found = /manifest unknown|blob unknown|invalid status code from registry \d+/.exec(output);
  if (!found) throw new Error(`no word of the registry's in: ${output}`);
  return found[0];
}
