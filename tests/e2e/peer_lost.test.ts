import { afterAll, beforeAll, expect, it } from "vitest";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { startCluster } from "../support/cluster.ts";
import { bytesOnDisk } from "../support/files_below.ts";
import { createImage, MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import type { CdnPattern } from "../support/supernode.ts";

describeWithPrograms(
  "a peer lost while others fetch from it",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;

    beforeAll(async () => {
      scratch = await Scratch.open("peer-lost");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
    });
    afterAll(() => scratch?.close());

    // Most of the time they wait for the limit of rate. Each has an image of its own, whose egress is counted.
    it.concurrent.each<[string, NodeJS.Signals, CdnPattern]>([
      ["killed", "SIGKILL", "local"],
      ["killed", "SIGKILL", "source"],
      // Its connections stand, but nothing more comes.
      ["frozen", "SIGSTOP", "source"],
    ])("is replaced: %s (%s), CDN pattern %s", async (_what, signal, cdnPattern) => {
      const name = `bereft-${signal.toLowerCase()}-${cdnPattern}`;
      const repository = `library/${name}`;
      const image = await createImage(scratch, name, [40 * MB]);
      await registry.push(image, repository);
      const { nodes, stop } = await startCluster(scratch, {
        nodes: 3,
        cdnPattern,
        registry,
        authority,
        // Slow enough that there is a middle.
        rateLimit: "10M",
      });
      const pull = (index: number) => {
        const into = `${scratch.dir}/${signal}-${cdnPattern}-${index}`;
        const proxy = nodes[index]!.url;
        const trust = authority.directory;
        const program = startSkopeoPull(scratch, { registry, repository, into, proxy, trust });
        return { into, program, home: nodes[index]!.home };
      };
      const [layer] = image.layers;
      const egress = await registry.egress();
      const first = pull(0);
      await expectImage(first.program, first.into, image);

      const others = [pull(1), pull(2)];
      for (const { program, home } of others) {
        await program.until("some pieces are there", async () => {
          return (await bytesOnDisk(home)) > 8 * MB;
        });
      }
      // What the two have by now they have from the first, or from the supernode.
      expect(await egress.of(layer!)).toBeLessThanOrEqual(aboutOnce(layer!.size));
      for (const { program } of others) expect(program.running).toBe(true);
      nodes[0]!.process.signal(signal);

      await Promise.all(others.map(({ program, into }) => expectImage(program, into, image)));
      // The two share what they lack; neither starts over.
      expect(await egress.of(layer!)).toBeLessThan(2 * layer!.size);
      await nodes[0]!.process.stop("SIGKILL");
      await stop();
    });
  },
);
