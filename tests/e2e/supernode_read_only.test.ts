import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { createImage, type Layer, MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { run, until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { makeReadOnly, WITH_OWN_DISKS } from "../support/small_disk.ts";

describeWithPrograms(
  "a supernode whose disk becomes read-only",
  { programs: ["skopeo", "docker-registry", "unshare"], namespaces: true },
  () => {
    const reason = "the disk is read-only";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let cluster: Cluster;
    let repo: string;
    let mend: () => Promise<void>;
    /** One that the supernode has a copy of. */
    let copied: Layer;
    let pulls = 0;

    beforeAll(async () => {
      scratch = await Scratch.open("supernode-read-only");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      cluster = await startCluster(scratch, {
        ...{ nodes: 2, cdnPattern: "local", registry, authority },
        env: { SSL_CERT_FILE: registry.authority.files.cert },
        supernodePrefix: WITH_OWN_DISKS,
      });
      repo = join(cluster.supernode.home, "repo");
    });
    afterAll(() => scratch?.close());

    /** Pushes an image of one layer, and has all nodes pull it at once. */
    async function pullNew(name: string, layer: number) {
      const image = await createImage(scratch, name, [layer]);
      await registry.push(image, name);
      const egress = await registry.egress();
      await Promise.all(
        cluster.nodes.map(async ({ url: proxy }) => {
          pulls += 1;
          const into = join(scratch.dir, `pulled-${pulls}`);
          const trust = authority.directory;
          const asked = { registry, repository: name, into, proxy, trust };
          await expectImage(startSkopeoPull(scratch, asked), into, image);
        }),
      );
      return { image, egress };
    }

    const dfctl = (...args: string[]) =>
      run(scratch, [...ourProgram("dfctl"), "--supernode", cluster.supernode.node, ...args]);
    const check = () => {
      const { address, port } = cluster.supernode;
      const where = ["supernode", "-H", address, "-p", String(port)];
      return run(scratch, [...ourProgram("check_dragonfly"), ...where]);
    };
    const ask = async (path: string) => {
      const answer = await fetch(`http://${cluster.supernode.node}${path}`);
      return { status: answer.status, text: await answer.text() };
    };
    const preheat = (name: string) =>
      dfctl("preheat", `https://${registry.host}/v2/${name}/manifests/latest`, "--wait");

    it("says so to all who ask, and is ready", async () => {
      const { image } = await pullNew("before", 3 * MB);
      copied = image.layers[0]!;
      expect(await ask("/readyz")).toEqual({ status: 200, text: "OK" });
      mend = await makeReadOnly(scratch, cluster.supernode.process.pid, repo);
      const remark = `no copies: nothing can be written in ${repo}: ${reason}`;
      await until("/readyz says so", async () => (await ask("/readyz")).text !== "OK");
      expect(await ask("/readyz")).toEqual({ status: 200, text: `OK\n${remark}\n` });
      expect((await ask("/metrics")).text).toMatch(/^dragonfly_supernode_cache_writable 0$/m);
      const checked = await check();
      expect(checked.stdout.toString()).toContain(
        `DRAGONFLY SUPERNODE WARNING - ready, but ${remark}, answered in`,
      );
      expect(checked.code).toBe(1);
      expect((await dfctl("status")).stdout.toString()).toMatch(/^\S+ {2}no copies {2}/m);
      expect(cluster.supernode.process.output).toContain(
        `no copies: nothing can be written in ${repo}: ${reason}; nodes fetch from the source`,
      );
    });

    it("has the nodes fetch from the registry, each byte about once", async () => {
      const { image, egress } = await pullNew("meanwhile", 8 * MB);
      const [layer] = image.layers;
      expect(await egress.of(layer!)).toBeLessThanOrEqual(aboutOnce(layer!.size));
      expect(cluster.supernode.process.output).toContain(
        `no copy can be written on the supernode's disk, below base.homeDir: ${reason}`,
      );
    });

    it("says of a preheat, and of a copy that is to go, what is wrong", async () => {
      const failed = await preheat("meanwhile");
      expect(failed).toMatchObject({ code: 2, stderr: expect.stringContaining(`: ${reason}`) });
      const removed = await dfctl("rm", copied.digest);
      expect(removed).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(
          /: forgot the task, but its copy cannot be deleted: the disk is read-only\n$/,
        ),
      });
      expect(cluster.supernode.process.output).not.toContain("internal error");
    });

    it("makes copies again once that is mended, without a restart", async () => {
      await mend();
      await until("/readyz says so", async () => (await ask("/readyz")).text === "OK");
      expect((await ask("/metrics")).text).toMatch(/^dragonfly_supernode_cache_writable 1$/m);
      expect((await check()).code).toBe(0);
      const heated = await preheat("meanwhile");
      expect(heated, heated.output).toMatchObject({ code: 0 });
      expect(cluster.supernode.process.output).toContain(`files can be written in ${repo} again`);
    });
  },
);
