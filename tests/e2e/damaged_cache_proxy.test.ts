import { createHash } from "node:crypto";
import { readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import type { Dfdaemon } from "../support/dfdaemon.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";

/** What happens to each cached file of a node. */
const DAMAGES: Record<string, (path: string) => Promise<void>> = {
  "has a byte flipped": flip,
  rots: async (path) => {
    const { atime, mtime, ctimeMs } = await stat(path);
    // Deno tells a file's time of change in whole seconds: what changes in the same one does not show.
    if (process.env.DRAGONFLY_RUNTIME === "deno")
      await until(
        "the next second",
        () => Math.floor(Date.now() / 1000) > Math.floor(ctimeMs / 1000),
      );
    await flip(path);
    await utimes(path, atime, mtime);
  },
  "is cut short": async (path) => truncate(path, Math.floor((await stat(path)).size / 2)),
  "is deleted": (path) => rm(path),
};

/** Writes into the file: a new one of the same name would be another. */
async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[Math.floor(bytes.length / 3)]! ^= 0xff;
  await writeFile(path, bytes, { flag: "r+" });
}

describeWithPrograms(
  "a layer that is damaged in a node's cache",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let cluster: Cluster;
    let http: HttpClient;
    let pulls = 0;

    beforeAll(async () => {
      scratch = await Scratch.open("damaged-proxy");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      cluster = await startCluster(scratch, {
        nodes: 2,
        cdnPattern: "source",
        registry,
        authority,
      });
      http = new HttpClient();
    });
    afterAll(async () => {
      http?.close();
      await cluster?.stop();
      await scratch?.close();
    });

    /** By CONNECT, as docker does it with HTTPS_PROXY. */
    async function byProxy({ url: proxy }: Dfdaemon, image: Image, repository: string) {
      const into = join(scratch.dir, `pull-${++pulls}`);
      const trust = authority.directory;
      const pull = startSkopeoPull(scratch, { registry, repository, into, proxy, trust });
      await expectImage(pull, into, image);
    }

    /** As from a registry, as containerd does it with a mirror. */
    async function byMirror({ url }: Dfdaemon, image: Image, repository: string) {
      for (const layer of image.layers) {
        const response = await http.request(`${url}/v2/${repository}/blobs/${layer.digest}`);
        expect(response.status).toBe(200);
        const hash = createHash("sha256");
        for await (const chunk of response.body as AsyncIterable<Uint8Array>) hash.update(chunk);
        expect(`sha256:${hash.digest("hex")}`).toBe(layer.digest);
      }
    }

    /** Damages what a node has of an image's layers; how many files that were. */
    async function damageAll(node: Dfdaemon, image: Image, damage: string): Promise<number> {
      const hexes = image.layers.map(({ digest }) => digest.replace("sha256:", ""));
      const cached = (await readdir(node.home, { recursive: true })).filter(
        (name) => name.endsWith(".service") && hexes.some((hex) => name.includes(hex)),
      );
      for (const name of cached) await DAMAGES[damage]!(join(node.home, name));
      return cached.length;
    }

    const WAYS = { "the proxy": byProxy, "the mirror": byMirror } as const;
    const cases = Object.keys(DAMAGES).flatMap((damage) =>
      (Object.keys(WAYS) as (keyof typeof WAYS)[]).map((way) => [damage, way] as const),
    );

    it.each(cases)("and %s is not handed out by %s, nor to another node", async (damage, way) => {
      const [one, two] = cluster.nodes as [Dfdaemon, Dfdaemon];
      const name = `${damage} ${way}`.replaceAll(" ", "-");
      const repository = `library/${name}`;
      const image = await createImage(scratch, name, [3 * MB]);
      await registry.push(image, repository);
      const pull = WAYS[way];
      await pull(one, image, repository);
      expect(await damageAll(one, image, damage)).toBe(1);
      await pull(one, image, repository);
      // Another node takes the layer from the first one, or from the registry. A file that is only gone from its
      // directory is still there for who has it open; one that rots is found out in the middle of the pull (on Deno,
      // where the time set back is the same to the last digit), which then goes on with the registry.
      const again = await damageAll(one, image, damage);
      const isPerhapsGone = damage === "is deleted" || damage === "rots";
      expect(again).toBeGreaterThanOrEqual(isPerhapsGone ? 0 : 1);
      await pull(two, image, repository);
      const said = [one, two, cluster.supernode].map(({ process }) => process.output).join("\n");
      expect(said).not.toMatch(/sends wrong blocks|hands out wrong blocks|not what its seal says/);
    });
  },
);
