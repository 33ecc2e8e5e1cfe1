import { afterAll, beforeAll, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { type CdnPattern, startSupernode } from "../support/supernode.ts";

/** Starts a program with a small disk of its own at `path`. */
const withSmallDisk = (path: string, megabytes: number) => [
  ...["unshare", "--mount", "bash", "-c"],
  `mount -t tmpfs -o size=${megabytes}m tmpfs "${path}" && exec "$@"`,
  "bash",
];

describeWithPrograms(
  "a pull goes well where a layer finds no room",
  { programs: ["skopeo", "docker-registry", "unshare"], namespaces: true },
  () => {
    const repository = "library/big";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let image: Image;

    beforeAll(async () => {
      scratch = await Scratch.open("disk-full");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "big", [30 * MB]);
      await registry.push(image, repository);
    });
    afterAll(() => scratch?.close());

    it.each<[string, CdnPattern, { node?: number; supernode?: number }]>([
      ["on the node", "source", { node: 12 }],
      ["on the node", "local", { node: 12 }],
      ["on the supernode", "local", { supernode: 12 }],
    ])("%s, CDN pattern %s", async (_where, cdnPattern, disks) => {
      const name = `${cdnPattern}-${Object.keys(disks)[0]}`;
      const supernodeDisk = await scratch.directory(`${name}-supernode`);
      const nodeDisk = await scratch.directory(`${name}-node`);
      const supernode = await startSupernode(scratch, {
        cdnPattern,
        registry,
        ...(disks.supernode
          ? {
              prefix: withSmallDisk(supernodeDisk, disks.supernode),
              base: { homeDir: supernodeDisk },
            }
          : {}),
      });
      const node = await Dfdaemon.start(scratch, {
        supernodes: [supernode.node],
        registry,
        authority,
        ...(disks.node
          ? { prefix: withSmallDisk(nodeDisk, disks.node), dfgetFlags: ["--home", nodeDisk] }
          : {}),
      });
      const into = `${scratch.dir}/${name}-pulled`;
      const proxy = node.url;
      const trust = authority.directory;
      const pull = startSkopeoPull(scratch, { registry, repository, into, proxy, trust });
      await expectImage(pull, into, image);
      expect(node.process.running).toBe(true);
      expect(supernode.process.running).toBe(true);
    });
  },
);
