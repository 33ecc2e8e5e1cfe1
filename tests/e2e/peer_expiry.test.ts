import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { startCluster } from "../support/cluster.ts";
import { type DfgetHost, dfgetHost, startDfget } from "../support/dfget.ts";
import { bytesOnDisk } from "../support/files_below.ts";
import { createImage, MB } from "../support/image.ts";
import { whoServes } from "../support/onlooker.ts";
import { until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { Source, type SourceUrl } from "../support/source.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";

/** Whether the supernode sends others to this address for pieces of the file. */
async function isKnownToServe(supernode: Supernode, url: string, address: string) {
  return (await whoServes(supernode, url)).some(({ peerIp }) => peerIp === address);
}

describe("a peer's files expire", () => {
  let scratch: Scratch;
  let supernode: Supernode;
  let source: Source;

  beforeAll(async () => {
    scratch = await Scratch.open("peer-expiry");
    supernode = await startSupernode(scratch, { cdnPattern: "source" });
    source = await Source.start(scratch);
  });
  afterAll(() => scratch?.close());

  async function download(host: DfgetHost, file: SourceUrl, flags: readonly string[]) {
    const output = `${await scratch.directory("outputs", host.address)}/file`;
    const args = ["-u", file.url, "-o", output, "--node", supernode.node, ...flags];
    const dfget = await startDfget(scratch, host, args).finished();
    expect(dfget, dfget.output).toMatchObject({ code: 0 });
  }

  it("with the idle server: it ends, its files are gone, the supernode is told", async () => {
    const host = await dfgetHost(scratch);
    const file = source.add("idle", 12 * MB);
    await download(host, file, ["--alivetime", "4s", "--expiretime", "1m"]);
    expect(await isKnownToServe(supernode, file.url, host.address)).toBe(true);
    expect(await scratch.peerServers()).toHaveLength(1);
    expect(await bytesOnDisk(host.home)).toBeGreaterThanOrEqual(file.size);

    await until("the server ends", async () => (await scratch.peerServers()).length === 0);
    expect(await bytesOnDisk(host.home)).toBeLessThan(MB);
    expect(await isKnownToServe(supernode, file.url, host.address)).toBe(false);
  });

  it("earlier than the server, where nobody touches them", async () => {
    const host = await dfgetHost(scratch);
    const file = source.add("untouched", 12 * MB);
    await download(host, file, ["--alivetime", "1m", "--expiretime", "3s"]);
    expect(await isKnownToServe(supernode, file.url, host.address)).toBe(true);
    expect(await bytesOnDisk(host.home)).toBeGreaterThanOrEqual(file.size);

    await until("the file is gone", async () => (await bytesOnDisk(host.home)) < MB);
    await until("the supernode knows", async () => {
      return !(await isKnownToServe(supernode, file.url, host.address));
    });
    expect(await scratch.peerServers()).toHaveLength(1);
  });
});

describeWithPrograms(
  "a layer in dfdaemon's cache expires",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    const repository = "library/short-lived";
    let scratch: Scratch;
    beforeAll(async () => {
      scratch = await Scratch.open("layer-expiry");
    });
    afterAll(() => scratch?.close());

    it("as its dfget_flags say, and the supernode is told", async () => {
      const registry = await Registry.start(scratch);
      const authority = await Authority.create(scratch, "nodes");
      const image = await createImage(scratch, "short-lived", [12 * MB]);
      await registry.push(image, repository);
      const { supernode, nodes } = await startCluster(scratch, {
        nodes: 1,
        cdnPattern: "source",
        registry,
        authority,
        dfgetFlags: ["--expiretime", "3s"],
      });
      const [node] = nodes;
      const into = `${scratch.dir}/pulled`;
      const proxy = node!.url;
      const trust = authority.directory;
      const pull = startSkopeoPull(scratch, { registry, repository, into, proxy, trust });
      await expectImage(pull, into, image);
      const [layer] = image.layers;
      const url = `https://${registry.host}/v2/${repository}/blobs/${layer!.digest}`;
      expect(await isKnownToServe(supernode, url, node!.address)).toBe(true);
      expect(await bytesOnDisk(node!.home)).toBeGreaterThanOrEqual(layer!.size);

      await until("the file is gone", async () => (await bytesOnDisk(node!.home)) < MB);
      await until("the supernode knows", async () => {
        return !(await isKnownToServe(supernode, url, node!.address));
      });
      expect(node!.process.running).toBe(true);
    });
  },
);
