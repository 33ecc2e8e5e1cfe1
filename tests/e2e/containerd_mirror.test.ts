import { afterAll, beforeAll, expect, it } from "vitest";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { Containerd } from "../support/containerd.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";

describeWithPrograms(
  "containerd pulls from a node as the mirror of a registry",
  { programs: ["containerd", "ctr", "docker-registry", "skopeo"], root: true },
  () => {
    const repository = "library/mirrored";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let image: Image;
    let cluster: Cluster;

    beforeAll(async () => {
      scratch = await Scratch.open("containerd-mirror");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "mirrored", [MB, 12 * MB]);
      await registry.push(image, repository);
      cluster = await startCluster(scratch, {
        nodes: 2,
        cdnPattern: "source",
        registry,
        authority,
        scheme: "https",
      });
    });
    afterAll(() => scratch?.close());

    it("two at once, told the registry by ?ns=: whole images, each layer sent once", async () => {
      const egress = await registry.egress();
      const reference = `${registry.host}/${repository}:latest`;
      await Promise.all(
        cluster.nodes.map(async (node, index) => {
          const containerd = await Containerd.start(scratch, `containerd${index}`);
          const pulled = await containerd.pull({
            host: registry.host,
            image: `${repository}:latest`,
            // No resolver knows the registry's name: there is no way but the mirror.
            mirror: node.url,
            ca: authority.files.cert,
          });
          expect(pulled, pulled.output).toMatchObject({ code: 0 });
          const images = await containerd.images();
          expect(images).toContain(reference);
          expect(images).toContain(image.manifestDigest);
          for (const layer of image.layers) {
            expect(await containerd.holds(layer.digest)).toBe(true);
          }
        }),
      );
      for (const layer of image.layers) {
        const sent = await egress.of(layer);
        expect(sent).toBeGreaterThanOrEqual(layer.size);
        expect(sent).toBeLessThanOrEqual(aboutOnce(layer.size));
      }
    });
  },
);
