import { open, readFile } from "node:fs/promises";
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
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";

const DOCS = join(import.meta.dirname, "../../docs");

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
      expect(annotations.runbook_url).toBe(`docs/monitoring.md#${alert.toLowerCase()}`);
      expect(headings).toContain(alert);
    }
  });
});

describeWithPrograms(
  "a Prometheus that scrapes a swarm",
  { programs: ["prometheus", "skopeo", "docker-registry"] },
  () => {
    const repository = "wikimedia/mediawiki";
    let registry: Registry;
    let authority: Authority;
    let cluster: Cluster;
    let prometheus: Prometheus;

    beforeAll(async () => {
      registry = await Registry.start(scratch);
      // What it signs is good for a month: no certificate is about to expire.
      authority = await Authority.create(scratch, "nodes", 60);
      await registry.push(await createImage(scratch, "first", [8 * MB, 20 * MB]), repository);
      const nodes = { nodes: 2, scheme: "https", registry, authority } as const;
      cluster = await startCluster(scratch, { ...nodes, cdnPattern: "source" });
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
      // How much room its disk has is the machine's affair.
      const alerts = (await prometheus.alerts()).map(({ labels }) => labels.alertname);
      expect(alerts.filter((name) => name !== "DragonflyCacheDiskFull")).toEqual([]);
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
