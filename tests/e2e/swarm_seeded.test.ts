import { createHash } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import type { Dfdaemon } from "../support/dfdaemon.ts";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { bytesOnDisk } from "../support/files_below.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { REGISTRY_NAME, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import type { CdnPattern, Supernode } from "../support/supernode.ts";
import { supernodeMetrics } from "../support/supernode_metrics.ts";

describeWithPrograms(
  "our own swarm around the supernode's copy",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let cluster: Cluster | undefined;
    let pulls = 0;

    beforeAll(async () => {
      scratch = await Scratch.open("swarm-seeded");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
    });
    afterEach(async () => {
      await cluster?.stop();
      cluster = undefined;
    });
    afterAll(() => scratch?.close());

    const start = async (nodes: number, cdnPattern: CdnPattern, rateLimit?: string) => {
      cluster = await startCluster(scratch, {
        nodes,
        cdnPattern,
        registry,
        authority,
        // Stands for the host's own list of authorities, which preheats go by.
        env: { SSL_CERT_FILE: registry.authority.files.cert },
        ...(rateLimit ? { rateLimit } : {}),
      });
      return cluster;
    };
    const image = async (repository: string, size: number) => {
      const made = await createImage(scratch, repository.replaceAll("/", "-"), [size]);
      await registry.push(made, repository);
      return made;
    };
    const begin = (node: Dfdaemon, repository: string) => {
      const into = `${scratch.dir}/pulled-${pulls++}`;
      const trust = authority.directory;
      const options = { registry, repository, into, proxy: node.url, trust };
      return { node, into, program: startSkopeoPull(scratch, options) };
    };
    const finish = (pulled: ReturnType<typeof begin>[], whole: Image) =>
      Promise.all(pulled.map(({ program, into }) => expectImage(program, into, whole)));

    it("takes a layer from the registry once and from the supernode hardly more often", async () => {
      const whole = await image("library/once", 60 * MB);
      const { supernode, nodes } = await start(4, "local");
      const egress = await registry.egress();
      await finish(
        nodes.map((node) => begin(node, "library/once")),
        whole,
      );
      const { digest, size } = whole.layers[0]!;
      expect(await egress.of({ digest, size })).toBeLessThanOrEqual(aboutOnce(size));
      const counts = await supernodeMetrics(supernode);
      expect(counts('http_requests_total{handler="/peer/task"}')).toBe(0);
      const served = counts("served_bytes_total");
      expect(served / size).toBeGreaterThanOrEqual(1);
      expect(served / size).toBeLessThanOrEqual(2);
    });

    it("makes one copy of a layer that lies in two repositories", async () => {
      const whole = await image("team-a/twice", 30 * MB);
      await registry.push(whole, "team-b/twice");
      const { nodes } = await start(2, "local");
      const egress = await registry.egress();
      const repositories = ["team-a/twice", "team-b/twice"];
      await finish(
        nodes.map((node, index) => begin(node, repositories[index]!)),
        whole,
      );
      const [layer] = whole.layers;
      expect(await egress.of(layer!)).toBeLessThanOrEqual(aboutOnce(layer!.size));
    });

    it("shares a layer with v1 clients, whoever comes first", async () => {
      const whole = await image("library/shared", 60 * MB);
      const { supernode, nodes } = await start(3, "local", "8M");
      const egress = await registry.egress();
      const [layer] = whole.layers;
      const url = `https://${registry.host}/v2/library/shared/blobs/${layer!.digest}`;
      const startV1 = async (limit: string) => {
        const host = await dfgetHost(scratch);
        const program = startDfget(scratch, host, [
          ...["--url", url, "--output", join(host.home, "layer"), "--node", supernode.node],
          ...["--notbs", "--locallimit", limit, "--cacerts", registry.authority.files.cert],
          ...["--host-alias", `${REGISTRY_NAME}=${registry.address}`],
        ]);
        return { program, home: host.home };
      };
      const early = await startV1("8M");
      await early.program.until("some pieces are there", async () => {
        return (await bytesOnDisk(early.home)) > 8 * MB;
      });
      const running = nodes.map((node) => begin(node, "library/shared"));
      await running[0]!.program.until("some blocks are there", async () => {
        return (await bytesOnDisk(nodes[0]!.home)) > 8 * MB;
      });
      const late = await startV1("1G");
      await finish(running, whole);
      for (const { program, home } of [early, late]) {
        expect(await program.finished()).toMatchObject({ code: 0 });
        const content = await readFile(join(home, "layer"));
        expect(`sha256:${createHash("sha256").update(content).digest("hex")}`).toBe(layer!.digest);
      }
      expect(await egress.of(layer!)).toBeLessThanOrEqual(aboutOnce(layer!.size));
      const counts = await supernodeMetrics(supernode);
      expect(counts("served_bytes_total") / layer!.size).toBeLessThanOrEqual(3);
    });

    describe.each<CdnPattern>(["local", "source"])("with pattern %s", (cdnPattern) => {
      it("takes what was preheated from the supernode alone", async () => {
        const repository = `library/heated-${cdnPattern}`;
        const whole = await image(repository, 30 * MB);
        const { supernode, nodes } = await start(3, cdnPattern);
        await preheat(supernode, `https://${registry.host}/v2/${repository}/manifests/latest`);
        const egress = await registry.egress();
        await finish(
          nodes.map((node) => begin(node, repository)),
          whole,
        );
        const { digest, size } = whole.layers[0]!;
        expect(await egress.of({ digest, size })).toBeLessThanOrEqual(16);
        const counts = await supernodeMetrics(supernode);
        expect(counts('http_requests_total{handler="/peer/task"}')).toBe(0);
        expect(counts("served_bytes_total") / size).toBeLessThanOrEqual(2);
      });
    });

    it("goes to the source, each byte once, where the supernode can make no copy", async () => {
      const whole = await image("library/no-copy", 40 * MB);
      const { supernode, nodes } = await start(3, "local");
      // Where the copies should lie there is no room for them; the folder is there once the supernode has looked for what is old.
      const copies = join(supernode.home, "repo");
      await rm(copies, { recursive: true, force: true });
      await writeFile(copies, "");
      const egress = await registry.egress();
      await finish(
        nodes.map((node) => begin(node, "library/no-copy")),
        whole,
      );
      const { digest, size } = whole.layers[0]!;
      // The supernode itself has asked for the first bytes.
      expect((await egress.of({ digest, size })) / size).toBeLessThanOrEqual(1.25);
    });

    it("survives that the supernode is killed on the way", async () => {
      const whole = await image("library/orphaned", 40 * MB);
      const { supernode, nodes } = await start(3, "local", "8M");
      const running = nodes.map((node) => begin(node, "library/orphaned"));
      for (const { node, program } of running) {
        await program.until("some blocks are there", async () => {
          return (await bytesOnDisk(node.home)) > 6 * MB;
        });
      }
      supernode.process.signal("SIGKILL");
      await finish(running, whole);
    });
  },
);

/** Asks for a preheat of an image, and waits for it. */
async function preheat(supernode: Supernode, url: string): Promise<void> {
  const api = `http://${supernode.node}/preheats`;
  const created = await fetch(api, {
    method: "POST",
    body: JSON.stringify({ type: "image", url }),
  });
  const { ID } = (await created.json()) as { ID: string };
  let status = "";
  await until("the preheat has ended", async () => {
    ({ status } = (await (await fetch(`${api}/${ID}`)).json()) as { status: string });
    return status === "SUCCESS" || status === "FAILED";
  });
  expect(status).toBe("SUCCESS");
}
