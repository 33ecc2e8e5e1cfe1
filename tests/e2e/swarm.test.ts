import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import type { Dfdaemon } from "../support/dfdaemon.ts";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { REGISTRY_NAME, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";

describeWithPrograms("our own swarm", { programs: ["skopeo", "docker-registry"] }, () => {
  let scratch: Scratch;
  let registry: Registry;
  let authority: Authority;
  let cluster: Cluster | undefined;
  let pulls = 0;

  beforeAll(async () => {
    scratch = await Scratch.open("swarm");
    registry = await Registry.start(scratch);
    authority = await Authority.create(scratch, "nodes");
  });
  afterEach(async () => {
    await cluster?.stop();
    cluster = undefined;
  });
  afterAll(() => scratch?.close());

  const start = async (nodes: number) => {
    cluster = await startCluster(scratch, { nodes, cdnPattern: "source", registry, authority });
    return cluster;
  };
  const pull = (node: Dfdaemon, image: Image, repository: string) => {
    const into = `${scratch.dir}/pulled-${pulls++}`;
    const trust = authority.directory;
    const program = startSkopeoPull(scratch, {
      registry,
      repository,
      into,
      proxy: node.url,
      trust,
    });
    return expectImage(program, into, image);
  };

  it("asks the supernode no more often for a large layer than for a small one", {
    timeout: 120_000,
  }, async () => {
    const requests: number[] = [];
    for (const size of [8 * MB, 160 * MB]) {
      const repository = `library/size-${size}`;
      const image = await createImage(scratch, `size-${size}`, [size]);
      await registry.push(image, repository);
      const { supernode, nodes } = await start(3);
      await Promise.all(nodes.map((node) => pull(node, image, repository)));
      const metrics = await (await fetch(`http://${supernode.node}/metrics`)).text();
      expect(handled(metrics, "/peer/piece/suc")).toBe(0);
      expect(handled(metrics, "/peer/task")).toBe(0);
      // One for the layer and one for the image's configuration, by each of three nodes.
      expect(handled(metrics, "/peer/registry")).toBe(6);
      requests.push(handled(metrics, "/swarm/heartbeat"));
      await cluster?.stop();
    }
    // A heartbeat for each run of blocks fetched from the source, and one a node every second or so:
    // v1 asks twice for each of 40 pieces and each of 3 nodes.
    expect(requests[1]! - requests[0]!).toBeLessThan(160);
  });

  it("fetches a layer once that lies in two repositories", { timeout: 120_000 }, async () => {
    const image = await createImage(scratch, "shared", [40 * MB]);
    for (const repository of ["team-a/app", "team-b/app"]) await registry.push(image, repository);
    const { nodes } = await start(2);
    const egress = await registry.egress();
    await Promise.all([pull(nodes[0]!, image, "team-a/app"), pull(nodes[1]!, image, "team-b/app")]);
    const [layer] = image.layers;
    expect((await egress.of(layer!)) / layer!.size).toBeLessThanOrEqual(1.05);
  });

  it("hands its files to v1 clients too", { timeout: 120_000 }, async () => {
    const image = await createImage(scratch, "mixed", [30 * MB]);
    await registry.push(image, "library/mixed");
    const { supernode, nodes } = await start(2);
    const egress = await registry.egress();
    await Promise.all(nodes.map((node) => pull(node, image, "library/mixed")));
    const [layer] = image.layers;
    const host = await dfgetHost(scratch);
    const output = join(host.home, "layer");
    // dfget schedules as v1 does: it is shown the nodes of the swarm as peers that have it all.
    const program = startDfget(scratch, host, [
      ...["--url", `https://${registry.host}/v2/library/mixed/blobs/${layer!.digest}`],
      ...["--output", output, "--node", supernode.node, "--notbs"],
      ...["--cacerts", registry.authority.files.cert],
      ...["--host-alias", `${REGISTRY_NAME}=${registry.address}`],
    ]);
    expect(await program.finished()).toMatchObject({ code: 0 });
    const digest = createHash("sha256")
      .update(await readFile(output))
      .digest("hex");
    expect(`sha256:${digest}`).toBe(layer!.digest);
    expect((await egress.of(layer!)) / layer!.size).toBeLessThanOrEqual(1.05);
  });
});

/** How many requests a supernode has answered on a route. */
function handled(metrics: string, handler: string): number {
  return metrics
    .split("\n")
    .filter((line) => line.startsWith("dragonfly_supernode_http_requests_total{"))
    .filter((line) => line.includes(`handler="${handler}"`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
