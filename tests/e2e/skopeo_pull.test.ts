import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { startCluster } from "../support/cluster.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import type { CdnPattern } from "../support/supernode.ts";

describeWithPrograms(
  "skopeo pulls an image through three nodes at once",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    const repository = (scheme: string) => `wikimedia/mediawiki-${scheme}`;
    let scratch: Scratch;
    let registry: Registry;
    /** What is pulled by each scheme: the large one by one of them, as it takes its time. */
    let images: Readonly<Record<"http" | "https", Image>>;
    /** Signs what the nodes show; skopeo trusts it alone, so it cannot have gone around them. */
    let authority: Authority;

    beforeAll(async () => {
      scratch = await Scratch.open("skopeo-pull");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      images = {
        http: await createImage(scratch, "large", [5 * MB, 64 * MB, 100 * MB]),
        https: await createImage(scratch, "small", [5 * MB, 30 * MB]),
      };
      for (const [scheme, image] of Object.entries(images))
        await registry.push(image, repository(scheme));
    });
    afterAll(() => scratch?.close());

    describe.each<CdnPattern>(["local", "source"])("CDN pattern %s", (cdnPattern) => {
      it.each(["http", "https"] as const)(
        "by HTTPS_PROXY=%s://…: the digests are right, and the registry sends each layer once",
        { timeout: 240_000 },
        async (scheme) => {
          const nodes = 3;
          const image = images[scheme];
          const cluster = await startCluster(scratch, {
            nodes,
            cdnPattern,
            registry,
            authority,
            scheme,
          });
          const pulled = await scratch.directory(`pulled-${cdnPattern}-${scheme}`);
          const egress = await registry.egress();
          await Promise.all(
            cluster.nodes.map(async (node, index) => {
              const into = `${pulled}/${index}`;
              const proxy = node.url;
              const trust = authority.directory;
              const pull = startSkopeoPull(scratch, {
                ...{ registry, repository: repository(scheme), into, proxy, trust },
              });
              await expectImage(pull, into, image);
            }),
          );
          for (const layer of image.layers) {
            const times = (await egress.of(layer)) / layer.size;
            expect(times).toBeGreaterThanOrEqual(1);
            expect(times).toBeLessThanOrEqual(1.05);
          }
          await cluster.stop();
          // Four times three copies would fill a small disk.
          const homes = cluster.nodes.map((node) => node.home);
          for (const path of [pulled, cluster.supernode.home, ...homes]) {
            await rm(path, { recursive: true });
          }
        },
      );
    });
  },
);
