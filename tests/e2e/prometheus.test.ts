import { copyFile, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { DASHBOARDS } from "../../monitoring/grafana/dashboards.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import type { Dfdaemon } from "../support/dfdaemon.ts";
import { createImage, MB } from "../support/image.ts";
import { runWell, until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { ALERTS, Prometheus } from "../support/prometheus.ts";
import { Redis } from "../support/redis.ts";
import { REGISTRY_NAME, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { makeReadOnly, onDiskOf, WITH_OWN_DISKS, withSmallDisk } from "../support/small_disk.ts";

const DOCS = join(import.meta.dirname, "../../docs");
/** Where the package of the alerts has what they mean. */
const RUNBOOK = "file:///usr/share/doc/dragonfly-monitoring/monitoring.md";

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.open("prometheus");
});
afterAll(() => scratch?.close());

describeWithPrograms("the alerts", { programs: ["promtool"] }, () => {
  it("are rules that Prometheus takes, and fire when they should: their own tests", async () => {
    await runWell(scratch, ["promtool", "check", "rules", ALERTS]);
    await runWell(scratch, ["promtool", "test", "rules", ALERTS.replace(".yml", ".test.yml")]);
  });

  it("each say what is wrong, and lead to where the docs say what to do", async () => {
    const { groups } = parse(await readFile(ALERTS, "utf8"));
    const page = await readFile(join(DOCS, "monitoring.md"), "utf8");
    const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!);
    for (const { alert, labels, annotations } of groups[0].rules) {
      expect(["warning", "critical"]).toContain(labels.severity);
      expect(annotations.summary).toMatch(/\w/);
      expect(annotations.description).toMatch(/\.$/);
      expect(annotations.runbook_url).toBe(`${RUNBOOK}#${alert.toLowerCase()}`);
      expect(headings).toContain(alert);
    }
  });

  it("lead to one's own copy of the docs, by the command that the docs give", async () => {
    const page = await readFile(join(DOCS, "monitoring.md"), "utf8");
    const [, command] = /^(sed -i .*alerts\.yml)$/m.exec(page) ?? [];
    const copy = join(await scratch.directory("own"), "alerts.yml");
    await copyFile(ALERTS, copy);
    await runWell(scratch, ["sh", "-c", command!.replace(/\S*alerts\.yml$/, copy)]);
    const { groups } = parse(await readFile(copy, "utf8"));
    for (const { alert, annotations } of groups[0].rules) {
      const own = `https://wiki.example.net/dragonfly/monitoring.md#${alert.toLowerCase()}`;
      expect(annotations.runbook_url).toBe(own);
    }
  });
});

describeWithPrograms(
  "a Prometheus that scrapes a swarm",
  {
    programs: ["prometheus", "skopeo", "docker-registry", "redis-server", "unshare"],
    namespaces: true,
  },
  () => {
    const repository = "wikimedia/mediawiki";
    let registry: Registry;
    let authority: Authority;
    let cluster: Cluster;
    let prometheus: Prometheus;
    let redis: Redis;
    /** Of each node, on which its cache is. */
    let disk: string;

    beforeAll(async () => {
      registry = await Registry.start(scratch);
      // What it signs is good for a month: no certificate is about to expire.
      authority = await Authority.create(scratch, "nodes", 60);
      await registry.push(await createImage(scratch, "first", [8 * MB, 20 * MB]), repository);
      disk = await scratch.directory("disk");
      redis = await Redis.start(scratch);
      cluster = await startCluster(scratch, {
        ...{ nodes: 2, scheme: "https", registry, authority, cdnPattern: "source" },
        state: redis.url,
        prefix: withSmallDisk(disk, 160),
        supernodePrefix: WITH_OWN_DISKS,
        dfgetFlags: ["--home", disk],
      });
      prometheus = await Prometheus.start(scratch, cluster, authority.files.cert);
    });

    function pull(node: Dfdaemon, from: string, into: string) {
      const { url: proxy } = node;
      const trust = authority.directory;
      return startSkopeoPull(scratch, { registry, repository: from, into, proxy, trust });
    }

    it("has data for every query of every panel, and no alert fires", async () => {
      await until("all are scraped", async () => {
        const [up] = await prometheus.query("sum(up)");
        return up?.value === 3;
      });
      await Promise.all(
        cluster.nodes.map(async (node) => {
          const into = await scratch.directory("pulled", node.address);
          expect(await pull(node, repository, into).finished()).toMatchObject({ code: 0 });
        }),
      );
      const { address, port } = cluster.nodes[0]!;
      for (const { title, panels } of Object.values(DASHBOARDS)) {
        for (const panel of panels) {
          for (const query of panel.queries) {
            // As Grafana fills them in; one bracket, since a rate wants two scrapes within it.
            const expr = query.expr
              .replaceAll("$__rate_interval", "5m")
              .replaceAll("$instance", `${address}:${port}`);
            await until(`${title}, ${panel.title}: ${expr}`, async () => {
              const series = await prometheus.query(expr);
              return series.some(({ value }) => Number.isFinite(value));
            });
          }
        }
      }
      // How much room the supernode's disk has is the machine's affair.
      const { node: supernode } = cluster.supernode;
      const alerts = async () =>
        (await prometheus.alerts()).filter(
          ({ labels: { alertname, instance } }) =>
            alertname !== "DragonflyCacheDiskFull" || instance !== supernode,
        );
      // They need not last here (`for`): one whose two sides were scraped one after the other may fire for a moment.
      await until("no alert fires", async () => (await alerts()).length === 0);
    });

    describe("when something is wrong", () => {
      const instance = ({ address, port }: Dfdaemon) => `${address}:${port}`;

      it("a blob that the registry's disk has spoilt: DragonflyWrongBytes", async () => {
        const image = await createImage(scratch, "spoilt", [3 * MB]);
        await registry.push(image, "spoilt");
        const [, hex] = image.layers[0]!.digest.split(":");
        const blob = `docker/registry/v2/blobs/sha256/${hex!.slice(0, 2)}/${hex}/data`;
        const file = await open(join(registry.storage, blob), "r+");
        await file.write(new Uint8Array([1, 2, 3]), 0, 3, 2 * MB);
        await file.close();
        const node = cluster.nodes[0]!;
        const { code } = await pull(node, "spoilt", await scratch.directory("wrong")).finished();
        expect(code).not.toBe(0);
        const { annotations } = await prometheus.fires("DragonflyWrongBytes");
        expect(annotations.summary).toContain(instance(node));
      });

      it("a certificate that ends: DragonflyCertificateExpiresSoon, then …Expires", async () => {
        const node = cluster.nodes[0]!;
        const labels = { instance: instance(node), certificate: "certpem" };
        const names = [node.address, REGISTRY_NAME];
        await authority.renew(node.identity, 10, ...names);
        await prometheus.fires("DragonflyCertificateExpiresSoon", labels);
        const firing = (await prometheus.alerts()).map(({ labels }) => labels.alertname);
        expect(firing).not.toContain("DragonflyCertificateExpires");
        await authority.renew(node.identity, 2, ...names);
        await prometheus.fires("DragonflyCertificateExpires", labels);
      });

      it("a disk that somebody fills: DragonflyCacheDiskFull", async () => {
        const node = cluster.nodes[0]!;
        const filler = onDiskOf(node.process.pid, `${disk}/somebody-elses`);
        await writeFile(filler, Buffer.alloc(115 * MB));
        await prometheus.fires("DragonflyCacheDiskFull", { instance: instance(node) });
        await rm(filler);
      });

      it("a cache that cannot be written: DragonflyDfdaemonNotReady", async () => {
        const node = cluster.nodes[0]!;
        const onItsDisks = ["nsenter", "--target", String(node.process.pid), "--mount"];
        const readOnly = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", `${disk}/data`];
        await runWell(scratch, [...onItsDisks, ...readOnly]);
        await prometheus.fires("DragonflyDfdaemonNotReady", { instance: instance(node) });
        await runWell(scratch, [...onItsDisks, "umount", `${disk}/data`]);
      });

      it("a supernode's disk that becomes read-only: DragonflySupernodeMakesNoCopies", async () => {
        const { home, node: supernode, process } = cluster.supernode;
        const mend = await makeReadOnly(scratch, process.pid, join(home, "repo"));
        await prometheus.fires("DragonflySupernodeMakesNoCopies", { instance: supernode });
        await mend();
      });

      it("a shared state that is gone: DragonflySupernodeAlone", async () => {
        await redis.process.stop();
        const { node: supernode } = cluster.supernode;
        await prometheus.fires("DragonflySupernodeAlone", { instance: supernode });
      });

      it("a supernode that is gone: DragonflySupernodeDown, and DragonflyNodeFallsBack", async () => {
        await cluster.supernode.process.stop();
        await prometheus.fires("DragonflySupernodeDown", { instance: cluster.supernode.node });
        const image = await createImage(scratch, "small", Array<number>(8).fill(1000));
        await registry.push(image, "small");
        const node = cluster.nodes[0]!;
        const into = await scratch.directory("small");
        await expectImage(pull(node, "small", into), into, image);
        await prometheus.fires("DragonflyNodeFallsBack", {
          instance: instance(node),
          reason: "open_failed",
        });
      });

      it("nodes that have no supernode each fetch for themselves: DragonflyRegistryEgressHigh", async () => {
        const firing = (await prometheus.alerts()).map(({ labels }) => labels.alertname);
        expect(firing).not.toContain("DragonflyRegistryEgressHigh");
        const image = await createImage(scratch, "unshared", [40 * MB]);
        await registry.push(image, "unshared");
        for (const node of cluster.nodes) {
          const into = await scratch.directory("unshared", node.address);
          await expectImage(pull(node, "unshared", into), into, image);
        }
        await prometheus.fires("DragonflyRegistryEgressHigh");
      });

      it("a registry that is gone: DragonflyPullsFail", async () => {
        await registry.process.stop();
        const node = cluster.nodes[1]!;
        const { code } = await pull(node, "small", await scratch.directory("none")).finished();
        expect(code).not.toBe(0);
        const reason = "source_unreachable";
        await prometheus.fires("DragonflyPullsFail", { instance: instance(node), reason });
      });

      it("a dfdaemon that is gone: DragonflyDfdaemonDown", async () => {
        const node = cluster.nodes[1]!;
        await node.process.stop();
        await prometheus.fires("DragonflyDfdaemonDown", { instance: instance(node) });
      });
    });
  },
);
