import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort, freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { startCluster } from "../support/cluster.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { bytesOnDisk } from "../support/files_below.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import type { CdnPattern } from "../support/supernode.ts";

describeWithPrograms(
  "a pull goes well without the supernode",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    const repository = "library/orphaned";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let image: Image;

    beforeAll(async () => {
      scratch = await Scratch.open("supernode-lost");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "orphaned", [40 * MB]);
      await registry.push(image, repository);
    });
    afterAll(() => scratch?.close());

    const pull = (into: string, node: Dfdaemon) =>
      startSkopeoPull(scratch, {
        registry,
        repository,
        into,
        proxy: node.url,
        trust: authority.directory,
      });

    // Most of the time they wait for the limit of rate, or for patience to end.
    it.concurrent.each<[string, NodeJS.Signals, CdnPattern]>([
      ["is killed", "SIGKILL", "local"],
      ["is killed", "SIGKILL", "source"],
      // Its connections stand, but it says nothing more.
      ["freezes", "SIGSTOP", "local"],
      ["freezes", "SIGSTOP", "source"],
    ])("that %s (%s) in mid-pull, CDN pattern %s", async (_what, signal, cdnPattern) => {
      const { supernode, nodes } = await startCluster(scratch, {
        nodes: 2,
        cdnPattern,
        registry,
        authority,
        // Slow enough that there is a middle.
        rateLimit: "10M",
      });
      const pulls = nodes.map((node, index) => {
        const into = `${scratch.dir}/${signal}-${cdnPattern}-${index}`;
        return { node, into, program: pull(into, node) };
      });
      for (const { node, program } of pulls) {
        await program.until("some pieces are there", async () => {
          return (await bytesOnDisk(node.home)) > 8 * MB;
        });
      }
      supernode.process.signal(signal);
      for (const { program } of pulls) expect(program.running).toBe(true);

      await Promise.all(pulls.map(({ program, into }) => expectImage(program, into, image)));
      await supernode.process.stop("SIGKILL");
      await Promise.all(nodes.map((node) => node.process.stop()));
    });

    it("that was frozen before the pull began", async () => {
      const { supernode, nodes } = await startCluster(scratch, {
        nodes: 1,
        cdnPattern: "source",
        registry,
        authority,
      });
      supernode.process.signal("SIGSTOP");
      const into = `${scratch.dir}/frozen`;
      await expectImage(pull(into, nodes[0]!), into, image);
      await supernode.process.stop("SIGKILL");
    });

    it("that was never there", async () => {
      const nowhere = freshAddress();
      const node = await Dfdaemon.start(scratch, {
        supernodes: [`${nowhere}:${await freePort(nowhere)}`],
        registry,
        authority,
      });
      const direct = await timed(async () => {
        const into = `${scratch.dir}/direct`;
        const trust = registry.authority.directory;
        const program = startSkopeoPull(scratch, { registry, repository, into, trust });
        await expectImage(program, into, image);
      });
      const proxied = await timed(async () => {
        const into = `${scratch.dir}/proxied`;
        await expectImage(pull(into, node), into, image);
      });
      console.log(`no supernode: ${proxied} ms by the proxy, ${direct} ms without it`);
    });
  },
);

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return Math.round(performance.now() - start);
}
