import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { bytesOnDisk, openFiles } from "../support/files_below.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { run } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { onDiskOf, withSmallDisk } from "../support/small_disk.ts";
import { type CdnPattern, startSupernode } from "../support/supernode.ts";

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
        env: { SSL_CERT_FILE: registry.authority.files.cert },
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
      // What found no room is let go of, too.
      expect(await openFiles(node.process.pid, `${nodeDisk}/data`)).toEqual([]);
      expect(supernode.process.running).toBe(true);
      if (disks.supernode === undefined) return;
      // Behind it stand the system's own words, which differ from one runtime to the other.
      const said = "no room for a copy on the supernode's disk, below base.homeDir: ";
      expect(supernode.process.output).toContain(said);
      const asked = [...ourProgram("dfctl"), "--supernode", supernode.node, "preheat", "--wait"];
      const url = `https://${registry.host}/v2/${repository}/blobs/${image.layers[0]!.digest}`;
      const preheat = await run(scratch, [...asked, url]);
      expect(preheat).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
    });

    it.each<CdnPattern>(["local", "source"])(
      "on the node, where others fill the disk in mid-pull, CDN pattern %s",
      async (cdnPattern) => {
        const disk = await scratch.directory(`filled-${cdnPattern}`);
        const { node: supernode, process } = await startSupernode(scratch, {
          cdnPattern,
          registry,
        });
        const node = await Dfdaemon.start(scratch, {
          supernodes: [supernode],
          registry,
          authority,
          prefix: withSmallDisk(disk, 60),
          dfgetFlags: ["--home", disk],
          // Slow enough that there is a middle.
          rateLimit: "10M",
        });
        const into = `${scratch.dir}/filled-${cdnPattern}-pulled`;
        const proxy = node.url;
        const trust = authority.directory;
        const pull = startSkopeoPull(scratch, { registry, repository, into, proxy, trust });
        // The disk as the node sees it.
        const seen = onDiskOf(node.process.pid, disk);
        await pull.until("some pieces are there", async () => (await bytesOnDisk(seen)) > 8 * MB);
        await expect(writeFile(`${seen}/filler`, Buffer.alloc(60 * MB))).rejects.toThrow("ENOSPC");
        expect(pull.running).toBe(true);
        await expectImage(pull, into, image);
        expect(node.process.running).toBe(true);
        await process.stop();
      },
    );
  },
);
