import { createHash, X509Certificate } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseSamples, parseSelector, sumOf } from "../../monitoring/metric_samples.ts";
import { HttpClient, readBody } from "../../runtime/http_client.ts";
import { aboutOnce } from "../support/about_once.ts";
import { freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { accepts, runWell } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";

describeWithPrograms("the clients of one node", { programs: ["skopeo", "docker-registry"] }, () => {
  const repository = "library/popular";
  let scratch: Scratch;
  let registry: Registry;
  let authority: Authority;
  let image: Image;
  let cluster: Cluster;
  let client: HttpClient;

  beforeAll(async () => {
    scratch = await Scratch.open("one-node");
    registry = await Registry.start(scratch);
    authority = await Authority.create(scratch, "nodes");
    image = await createImage(scratch, "popular", [MB, 30 * MB]);
    await registry.push(image, repository);
    cluster = await startCluster(scratch, { nodes: 1, cdnPattern: "source", registry, authority });
    client = new HttpClient();
    scratch.defer(() => client.close());
  });
  afterAll(() => scratch?.close());

  const url = () => cluster.nodes[0]!.url;
  const blob = () => `/v2/${repository}/blobs/${image.layers[1]!.digest}`;

  it("share one download of what both want", async () => {
    const egress = await registry.egress();
    await Promise.all(
      ["a", "b"].map(async (name) => {
        const into = `${scratch.dir}/pulled-${name}`;
        const trust = authority.directory;
        const proxy = url();
        const pull = startSkopeoPull(scratch, { registry, repository, into, proxy, trust });
        await expectImage(pull, into, image);
      }),
    );
    for (const layer of image.layers) {
      expect(await egress.of(layer)).toBeLessThanOrEqual(aboutOnce(layer.size));
    }
  });

  it("get a layer from the cache with the head that the registry gives it", async () => {
    const direct = await client.request(`https://${registry.address}:${registry.port}${blob()}`, {
      tls: { ca: [registry.authority.files.pair.cert] },
    });
    direct.body.destroy();
    const egress = await registry.egress();
    const proxied = await client.request(url() + blob());
    const body = await readBody(proxied, 40 * MB);

    expect(proxied.status).toBe(200);
    for (const name of ["content-type", "content-length", "docker-content-digest", "etag"]) {
      expect(proxied.headers[name], name).toBe(direct.headers[name]);
      expect(proxied.headers[name], name).toBeDefined();
    }
    const digest = createHash("sha256").update(body).digest("hex");
    expect(`sha256:${digest}`).toBe(image.layers[1]!.digest);
    expect(await egress.of(image.layers[1]!)).toBe(0);
  });

  it("get a part of a layer, from the cache too", async () => {
    const whole = await readBody(await client.request(url() + blob()), 40 * MB);
    const egress = await registry.egress();
    const { size } = image.layers[1]!;
    for (const [range, start, end] of [
      ["bytes=100-4999999", 100, 4_999_999],
      ["bytes=20000000-", 20_000_000, size - 1],
      ["bytes=-7", size - 7, size - 1],
    ] as const) {
      const part = await client.request(url() + blob(), { headers: { Range: range } });
      expect(part.status, range).toBe(206);
      expect(part.headers["content-range"]).toBe(`bytes ${start}-${end}/${size}`);
      const bytes = Buffer.from(await readBody(part, 40 * MB));
      expect(bytes.equals(whole.subarray(start, end + 1)), range).toBe(true);
    }
    expect(await egress.of(image.layers[1]!)).toBe(0);
  });

  it("reach it at the address that it is to listen on, and at no other of the host's", async () => {
    const { address, port } = cluster.nodes[0]!;
    expect([await accepts(address, port), await accepts(freshAddress(), port)]).toEqual([
      true,
      false,
    ]);
  });

  it("are seen in its metrics", async () => {
    const samples = parseSamples((await client.text(`${url()}/metrics`)).text);
    const value = (name: string) =>
      sumOf(samples, parseSelector(`dragonfly_dfdaemon_${name}`)) ?? Number.NaN;
    const held = image.layers.reduce((sum, { size }) => sum + size, 0);
    expect(value("active_tasks")).toBe(0);
    expect(value("cache_files")).toBeGreaterThan(image.layers.length);
    expect(value("cache_size_bytes")).toBeGreaterThan(held);
    expect(value('bytes_total{origin="registry"}')).toBeGreaterThan(held);
    expect(value('bytes_total{origin="cache"}')).toBeGreaterThan(0);
    expect(value("first_byte_duration_seconds_count")).toBeGreaterThanOrEqual(
      2 * image.layers.length,
    );
    expect(value("fallbacks_total")).toBe(0);
    expect(value("verification_failures_total")).toBe(0);
    expect(value("served_bytes_total")).toBeGreaterThanOrEqual(0);
    expect(value('certificate_expiry_timestamp_seconds{certificate="hijack_https.cert"}')).toBe(
      Date.parse(new X509Certificate(authority.files.pair.cert).validTo) / 1000,
    );
    expect(sumOf(samples, parseSelector("process_resident_memory_bytes"))).toBeGreaterThan(1e7);
  });

  it("push through it as if it were not there", async () => {
    const pushed = await createImage(scratch, "pushed", [2 * MB]);
    await runWell(
      scratch,
      [
        "skopeo",
        "copy",
        "--quiet",
        "--insecure-policy",
        `--dest-cert-dir=${authority.directory}`,
        pushed.reference,
        `docker://${registry.host}/library/pushed:latest`,
      ],
      { env: { HTTPS_PROXY: url() } },
    );
    const into = `${scratch.dir}/pulled-pushed`;
    const trust = registry.authority.directory;
    const direct = { registry, repository: "library/pushed", into, trust };
    await expectImage(startSkopeoPull(scratch, direct), into, pushed);
  });
});
