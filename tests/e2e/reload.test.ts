import { createHash } from "node:crypto";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { HttpClient, readBody } from "../../runtime/http_client.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import type { Dfdaemon } from "../support/dfdaemon.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { shownSerial } from "../support/links.ts";
import { accepts, type RunningProgram, until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { REGISTRY_NAME, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { startSupernode } from "../support/supernode.ts";

/** Changes a configuration file and has the program read it; resolves once the log says so. */
async function reload(
  program: RunningProgram,
  file: string,
  change: (config: Record<string, unknown>) => Record<string, unknown>,
  outcome: RegExp,
): Promise<string> {
  await writeFile(file, stringify(change(parse(await readFile(file, "utf8")))));
  const before = program.stderr.length;
  program.signal("SIGHUP");
  const said = () => program.stderr.slice(before);
  await program.until(`it says ${outcome}`, () => outcome.test(said()));
  return said();
}

const RELOADED = /configuration reloaded/;
const REFUSED = /configuration not reloaded, the old one stays: .*/;

describeWithPrograms("dfdaemon, told to reload", { programs: ["docker-registry"] }, () => {
  const repository = "library/reloaded";
  let scratch: Scratch;
  let registry: Registry;
  let authority: Authority;
  let image: Image;
  let cluster: Cluster;
  let node: Dfdaemon;
  let client: HttpClient;
  const file = () => join(node.home, `dfdaemon-${node.port}.yml`);

  beforeAll(async () => {
    scratch = await Scratch.open("reload");
    registry = await Registry.start(scratch);
    authority = await Authority.create(scratch, "nodes");
    image = await createImage(scratch, "reloaded", [10 * MB, 9 * MB]);
    await registry.push(image, repository);
    cluster = await startCluster(scratch, {
      nodes: 1,
      cdnPattern: "source",
      registry,
      authority,
      scheme: "https",
      rateLimit: "2M",
    });
    node = cluster.nodes[0]!;
    client = new HttpClient();
    scratch.defer(() => client.close());
  });
  afterAll(() => scratch?.close());

  const startPull = (layer: number) =>
    client.request(`${node.url}/v2/${repository}/blobs/${image.layers[layer]!.digest}`, {
      tls: { ca: [authority.files.pair.cert] },
    });
  const shownCertificate = () =>
    new Promise<string>((resolve, reject) => {
      const ca = authority.files.pair.cert;
      const socket = connect({ host: node.address, port: node.port, ca }, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.on("error", reject);
    });

  it("changes limits, certificate and supernodes under a running pull, which goes on", async () => {
    const before = await shownCertificate();
    const answer = await startPull(0);
    expect(answer.status).toBe(200);
    const chunks: Buffer[] = [];
    answer.body.on("data", (chunk: Buffer) => chunks.push(chunk));
    await until("the pull is under way", () => chunks.length > 0);
    const second = await startSupernode(scratch, { cdnPattern: "source", registry });
    const renewed = await authority.leaf(node.address, REGISTRY_NAME, "127.0.0.1", "localhost");
    await reload(
      node.process,
      file(),
      (config) => ({
        ...config,
        ratelimit: "1G",
        supernodes: [second.node],
        certpem: renewed.cert,
        keypem: renewed.key,
      }),
      RELOADED,
    );
    expect(await shownCertificate()).not.toBe(before);
    expect(answer.body.readableEnded).toBe(false);
    await until("the pull ends", () => answer.body.readableEnded);
    const digest = createHash("sha256").update(Buffer.concat(chunks)).digest("hex");
    expect(`sha256:${digest}`).toBe(image.layers[0]!.digest);

    // The next download is the new supernode's.
    const layer = await readBody(await startPull(1), 20 * MB);
    expect(layer.byteLength).toBe(image.layers[1]!.size);
    const metrics = await client.text(`http://${second.address}:${second.port}/metrics`);
    expect(metrics.text).toMatch(/^dragonfly_supernode_tasks_registered_total\S* 1$/m);
  });

  it("refuses a file or certificate that cannot be used, and goes on as before", async () => {
    const good = await readFile(file(), "utf8");
    const shown = await shownCertificate();
    const unknown = await reload(
      node.process,
      file(),
      (config) => ({ ...config, prot: 1 }),
      REFUSED,
    );
    expect(unknown).toMatch(/dfdaemon-\d+\.yml:\d+: prot: unknown key; did you mean port\?/);
    await writeFile(file(), good);
    const missing = await reload(
      node.process,
      file(),
      (config) => ({ ...config, certpem: "/nowhere/cert.pem" }),
      REFUSED,
    );
    expect(missing).toContain("certpem: /nowhere/cert.pem: no such file");
    expect(await shownCertificate()).toBe(shown);
    expect((await startPull(1)).status).toBe(200);

    await writeFile(file(), good);
    const moved = await reload(
      node.process,
      file(),
      (config) => ({ ...config, port: node.port + 1 }),
      /next start/,
    );
    expect(moved).toContain("takes effect with the next start: port");
    expect(await accepts(node.address, node.port)).toBe(true);
  });
});

describe("a supernode, told to reload", () => {
  let scratch: Scratch;
  beforeAll(async () => {
    scratch = await Scratch.open("reload-supernode");
  });
  afterAll(() => scratch?.close());

  it("takes limits, refuses a bad file, and says what waits for a restart", async () => {
    const supernode = await startSupernode(scratch, { cdnPattern: "source" });
    const file = join(supernode.home, "supernode.yml");
    const change = (given: object) => (config: Record<string, unknown>) => ({
      base: { ...(config.base as object), ...given },
    });
    await reload(supernode.process, file, change({ peerUpLimit: 9 }), RELOADED);
    const refused = await reload(supernode.process, file, change({ maxBandwidth: "1M" }), REFUSED);
    expect(refused).toContain("maxBandwidth (1MB) must be more than systemReservedBandwidth");
    const waiting = await reload(
      supernode.process,
      file,
      change({ maxBandwidth: "1G", listenPort: supernode.port + 1 }),
      /next start/,
    );
    expect(waiting).toContain("takes effect with the next start: listenPort");
    expect(await accepts(supernode.address, supernode.port)).toBe(true);
    expect(await supernode.process.stop()).toEqual({ code: 0, signal: null });
  });

  it("takes a renewed certificate, and refuses one that is none of its key's", async () => {
    const authority = await Authority.create(scratch, "programs");
    const member = await authority.member("node.test");
    const { cert, key } = await authority.member("supernode.test");
    const tls = { cert, key, ca: authority.files.cert };
    const supernode = await startSupernode(scratch, { cdnPattern: "source", base: { tls } });
    const shown = () => shownSerial({ host: supernode.address, port: supernode.port }, member);
    const first = await shown();
    const file = join(supernode.home, "supernode.yml");
    const other = await authority.member("supernode.test");
    await copyFile(other.key, key);
    const refused = await reload(supernode.process, file, (config) => config, REFUSED);
    expect(refused).toContain(`tls.key: ${key}: the key does not belong to the certificate`);
    expect(await shown()).toBe(first);
    await copyFile(other.cert, cert);
    await reload(supernode.process, file, (config) => config, RELOADED);
    expect(await shown()).not.toBe(first);
  });
});
