import { afterAll, beforeAll, expect, it } from "vitest";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { Podman } from "../support/podman.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";

describeWithPrograms(
  "podman pulls with a node as mirror in registries.conf",
  { programs: ["podman", "docker-registry", "skopeo"], root: true },
  () => {
    const repository = "library/mirrored";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let image: Image;
    let cluster: Cluster;

    beforeAll(async () => {
      scratch = await Scratch.open("podman-mirror");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "mirrored", [MB, 12 * MB]);
      await registry.push(image, repository);
      cluster = await startCluster(scratch, {
        nodes: 2,
        cdnPattern: "local",
        registry,
        authority,
        scheme: "https",
      });
    });
    afterAll(() => scratch?.close());

    it("on two nodes: the image is right, and the registry sends each layer once", async () => {
      const egress = await registry.egress();
      const reference = `${registry.host}/${repository}:latest`;
      await Promise.all(
        cluster.nodes.map(async (node, index) => {
          const mirror = `${node.address}:${node.port}`;
          // No resolver knows the registry's name: there is no way but the mirror.
          const podman = await Podman.create(scratch, `podman${index}`, registry.host, mirror);
          const pulled = await podman.pull(reference, authority.directory);
          expect(pulled, pulled.output).toMatchObject({ code: 0 });
          expect(await podman.digest(reference)).toBe(image.manifestDigest);
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
