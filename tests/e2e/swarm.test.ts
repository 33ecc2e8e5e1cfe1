import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { BlobSource, getByProxy } from "../support/blob_source.ts";
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
import type { Supernode } from "../support/supernode.ts";
import { supernodeMetrics } from "../support/supernode_metrics.ts";

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

  const start = async (nodes: number, rateLimit = "1G") => {
    const cdnPattern = "source";
    cluster = await startCluster(scratch, { nodes, cdnPattern, registry, authority, rateLimit });
    return cluster;
  };
  /** Starts a dfget, which schedules as v1's does, for an image's only layer. */
  const startV1 = async (supernode: Supernode, image: Image, repository: string, limit: string) => {
    const [layer] = image.layers;
    const host = await dfgetHost(scratch);
    const output = join(host.home, "layer");
    const program = startDfget(scratch, host, [
      ...["--url", `https://${registry.host}/v2/${repository}/blobs/${layer!.digest}`],
      ...["--output", output, "--node", supernode.node, "--notbs", "--locallimit", limit],
      ...["--cacerts", registry.authority.files.cert],
      ...["--host-alias", `${REGISTRY_NAME}=${registry.address}`],
    ]);
    const finish = async () => {
      expect(await program.finished()).toMatchObject({ code: 0 });
      const content = await readFile(output);
      expect(`sha256:${createHash("sha256").update(content).digest("hex")}`).toBe(layer!.digest);
    };
    return { program, home: host.home, finish };
  };
  const startPull = (node: Dfdaemon, repository: string) => {
    const into = `${scratch.dir}/pulled-${pulls++}`;
    const trust = authority.directory;
    const program = startSkopeoPull(scratch, {
      registry,
      repository,
      into,
      proxy: node.url,
      trust,
    });
    return { program, into };
  };
  const pull = (node: Dfdaemon, image: Image, repository: string) => {
    const { program, into } = startPull(node, repository);
    return expectImage(program, into, image);
  };

  it("asks the supernode no more often for a large layer than for a small one", async () => {
    const requests: number[] = [];
    for (const size of [8 * MB, 160 * MB]) {
      const repository = `library/size-${size}`;
      const image = await createImage(scratch, `size-${size}`, [size]);
      await registry.push(image, repository);
      const { supernode, nodes } = await start(3);
      await Promise.all(nodes.map((node) => pull(node, image, repository)));
      const handled = await handledBy(supernode);
      expect(handled("/peer/piece/suc")).toBe(0);
      expect(handled("/peer/task")).toBe(0);
      // One for the layer and one for the image's configuration, by each of three nodes.
      expect(handled("/peer/registry")).toBe(6);
      requests.push(handled("/swarm/heartbeat"));
      await cluster?.stop();
    }
    // A heartbeat for each run of blocks fetched from the source, and one a node every second or so:
    // v1 asks twice for each of 40 pieces and each of 3 nodes.
    expect(requests[1]! - requests[0]!).toBeLessThan(160);
  });

  it("fetches a layer once that lies in two repositories", async () => {
    const image = await createImage(scratch, "shared", [40 * MB]);
    for (const repository of ["team-a/app", "team-b/app"]) await registry.push(image, repository);
    const { nodes } = await start(2);
    const egress = await registry.egress();
    await Promise.all([pull(nodes[0]!, image, "team-a/app"), pull(nodes[1]!, image, "team-b/app")]);
    const [layer] = image.layers;
    expect(await egress.of(layer!)).toBeLessThanOrEqual(aboutOnce(layer!.size));
  });

  it("gives a layer in order while it comes, and its end before that to who asks for it", async () => {
    const { nodes } = await start(2, "12M");
    const source = await BlobSource.start(scratch, (response, body) => response.end(body));
    const { url, content } = source.add(48 * MB);
    const [holder, late] = [nodes[0]!, nodes[1]!];
    expect(await getByProxy(holder, url)).toMatchObject({ isWhole: true });
    let received = 0;
    let atHalf = 0;
    const whole = getByProxy(late, url, (bytes) => {
      received += bytes;
    });
    const halfOnDisk = until("half of it has come", async () => {
      return (await bytesOnDisk(late.home)) > 24 * MB;
    }).then(() => {
      atHalf = received;
    });
    const end = await getByProxy(late, url, undefined, `bytes=${46 * MB}-${46 * MB + 99}`);
    const atEnd = received;
    expect(end.bytes.equals(content.subarray(46 * MB, 46 * MB + 100))).toBe(true);
    await halfOnDisk;
    const all = await whole;
    expect(all.isWhole && all.bytes.equals(content)).toBe(true);
    expect(atEnd).toBeLessThan(6 * MB);
    // Rarest first over the whole file left it nothing of that half.
    expect(atHalf).toBeGreaterThan(2 * MB);
  });

  it("goes on after the supernode has been restarted, without fetching again", async () => {
    const image = await createImage(scratch, "announced", [30 * MB]);
    await registry.push(image, "library/announced");
    const { supernode, nodes } = await start(3);
    const egress = await registry.egress();
    await Promise.all(nodes.slice(0, 2).map((node) => pull(node, image, "library/announced")));
    await supernode.restart("SIGKILL");
    const sinceMs = performance.now();
    // The layer and the image's configuration, by each of the two.
    await until("the nodes say what they hold", async () => {
      const handled = await handledBy(supernode);
      return handled("/peer/registry") >= 4;
    });
    // For docs/reliability.md.
    const seconds = ((performance.now() - sinceMs) / 1000).toFixed(1);
    console.log(`a supernode started again: all files of 2 nodes are known after ${seconds} s`);
    const [layer] = image.layers;
    expect(await egress.of(layer!)).toBeLessThanOrEqual(aboutOnce(layer!.size));
    const afterwards = await registry.egress();
    await pull(nodes[2]!, image, "library/announced");
    // To see whether Range is known, single bytes are asked for.
    expect(await afterwards.of(layer!)).toBeLessThanOrEqual(16);
  });

  it("fetches little twice where the supernode is restarted in mid-pull", async () => {
    const image = await createImage(scratch, "midway", [60 * MB]);
    await registry.push(image, "library/midway");
    // Slow enough that there is a middle.
    const { supernode, nodes } = await start(3, "12M");
    const egress = await registry.egress();
    const pulls = nodes.map((node) => pull(node, image, "library/midway"));
    await until("some blocks are there", async () => {
      return (await bytesOnDisk(nodes[0]!.home)) > 15 * MB;
    });
    await supernode.restart("SIGKILL");
    await Promise.all(pulls);
    const [layer] = image.layers;
    // What was on its way from the registry then, and no more.
    expect((await egress.of(layer!)) / layer!.size).toBeLessThanOrEqual(1.3);
    // Who was nearly done may say so a moment after its client has all.
    await until("the nodes have found it again", async () => {
      const handled = await handledBy(supernode);
      return handled("/peer/registry") >= 3;
    });
  });

  it("hands its files to v1 clients too", async () => {
    const image = await createImage(scratch, "mixed", [30 * MB]);
    await registry.push(image, "library/mixed");
    const { supernode, nodes } = await start(2);
    const egress = await registry.egress();
    await Promise.all(nodes.map((node) => pull(node, image, "library/mixed")));
    const [layer] = image.layers;
    const v1 = await startV1(supernode, image, "library/mixed", "1G");
    await v1.finish();
    expect(await egress.of(layer!)).toBeLessThanOrEqual(aboutOnce(layer!.size));
  });

  it("gives v1 clients what it has while it is still downloading", async () => {
    const image = await createImage(scratch, "v1-later", [60 * MB]);
    await registry.push(image, "library/v1-later");
    const { supernode, nodes } = await start(2, "6M");
    const egress = await registry.egress();
    const pulls = nodes.map((node) => startPull(node, "library/v1-later"));
    await pulls[0]!.program.until("some blocks are there", async () => {
      return (await bytesOnDisk(nodes[0]!.home)) > 8 * MB;
    });
    const v1 = await startV1(supernode, image, "library/v1-later", "1G");
    await v1.program.until("it has some pieces", async () => (await bytesOnDisk(v1.home)) > 4 * MB);
    for (const { program } of pulls) expect(program.running).toBe(true);
    await Promise.all([
      v1.finish(),
      ...pulls.map(({ program, into }) => expectImage(program, into, image)),
    ]);
    const [layer] = image.layers;
    expect(await egress.of(layer!)).toBeLessThanOrEqual(aboutOnce(layer!.size));
  });

  it("begins where a v1 client is at it, and fetches from it what it has", async () => {
    const image = await createImage(scratch, "v1-first", [60 * MB]);
    await registry.push(image, "library/v1-first");
    const { supernode, nodes } = await start(2);
    const egress = await registry.egress();
    const v1 = await startV1(supernode, image, "library/v1-first", "5M");
    await v1.program.until(
      "it has some pieces",
      async () => (await bytesOnDisk(v1.home)) > 16 * MB,
    );
    await Promise.all(nodes.map((node) => pull(node, image, "library/v1-first")));
    await v1.finish();
    const [layer] = image.layers;
    // Where it takes too long over a piece, that one is fetched again; without it all would be.
    expect((await egress.of(layer!)) / layer!.size).toBeLessThanOrEqual(1.15);
    const handled = await handledBy(supernode);
    expect(handled("/swarm/heartbeat")).toBeGreaterThan(0);
  });
});

/** How many requests a supernode has answered, by route. */
async function handledBy(supernode: Supernode): Promise<(handler: string) => number> {
  const count = await supernodeMetrics(supernode);
  return (handler) => count(`http_requests_total{handler="${handler}"}`);
}
