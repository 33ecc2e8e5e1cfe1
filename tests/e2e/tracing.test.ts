import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { freePort, freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { Collector, type SentSpan } from "../support/collector.ts";
import type { Dfdaemon } from "../support/dfdaemon.ts";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { run, until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { ACCOUNT, REGISTRY_NAME, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import type { CdnPattern, Supernode } from "../support/supernode.ts";

/** What only the collector may know. */
const TOKEN = "collector-token-7f31c0";
/** Spans are sent soon, and a collector that is not there is known soon. */
const SOON = { OTEL_BSP_SCHEDULE_DELAY: "200", OTEL_EXPORTER_OTLP_TIMEOUT: "1000" };

describeWithPrograms("traces", { programs: ["skopeo", "docker-registry"] }, () => {
  let scratch: Scratch;
  let registry: Registry;
  let authority: Authority;
  let cluster: Cluster | undefined;
  let pulls = 0;

  beforeAll(async () => {
    scratch = await Scratch.open("tracing");
    registry = await Registry.start(scratch, { authenticated: true });
    authority = await Authority.create(scratch, "nodes");
  });
  afterEach(async () => {
    await cluster?.stop();
    cluster = undefined;
  });
  afterAll(() => scratch?.close());

  const start = async (endpoint: string, rateLimit: string, cdnPattern: CdnPattern = "source") => {
    const tracing = { endpoint, headers: { Authorization: TOKEN } };
    cluster = await startCluster(scratch, {
      nodes: 2,
      cdnPattern,
      registry,
      authority,
      rateLimit,
      env: SOON,
      nodeEnv: SOON,
      keys: async () => ({ tracing }),
    });
    return cluster;
  };
  const pull = async (node: Dfdaemon, image: Image, repository: string) => {
    const into = `${scratch.dir}/pulled-${pulls++}`;
    const trust = authority.directory;
    const options = { registry, repository, into, proxy: node.url, trust, login: true };
    await expectImage(startSkopeoPull(scratch, options), into, image);
  };
  /** Has a dfget, which schedules as v1's does, fetch an image's first layer; its spans go to the collector. */
  const fetchByDfget = async (
    { node }: Supernode,
    collector: Collector,
    image: Image,
    repository: string,
  ) => {
    const host = await dfgetHost(scratch);
    const [layer] = image.layers;
    const dfget = startDfget(
      scratch,
      host,
      [
        ...["--url", `https://${registry.host}/v2/${repository}/blobs/${layer!.digest}`],
        ...["--output", join(host.home, "layer"), "--node", node],
        ...["--header", `Authorization: ${basic()}`],
        ...["--cacerts", registry.authority.files.cert],
        ...["--host-alias", `${REGISTRY_NAME}=${registry.address}`],
      ],
      { env: { ...SOON, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } },
    );
    expect(await dfget.finished()).toMatchObject({ code: 0 });
  };
  const logOf = ({ home }: Dfdaemon) => readFile(join(home, "logs", "dfdaemon.log"), "utf8");

  it("follow a pull from dfdaemon over supernode and neighbour to the source", async () => {
    const collector = await Collector.start(scratch);
    const { nodes, supernode } = await start(collector.url, "12M");
    const named = (name: string, traceId: string) =>
      collector.spans.filter((span) => span.name === name && span.traceId === traceId);
    /** Pulls of which a part came from the source and another from the neighbour. */
    const shared = () =>
      collector.spans.filter(
        ({ name, traceId }) =>
          name === "pull blob" &&
          named("blocks from the source", traceId).length > 0 &&
          named("serve neighbour", traceId).some((span) => served(span) > 0),
      );
    let image: Image | undefined;
    // Who comes late finds all at the neighbour: then the next image may show it.
    for (let number = 0; number < 5 && shared().length === 0; number++) {
      const repository = `team/traced-${number}`;
      image = await createImage(scratch, `traced-${number}`, [24 * MB]);
      await registry.push(image, repository);
      await Promise.all(nodes.map((node) => pull(node, image!, repository)));
      const { digest } = image.layers[0]!;
      await until("both pulls are told", () => {
        const told = collector.spans.filter(
          ({ name, attributes }) =>
            name === "pull blob" && attributes["dragonfly.digest"] === digest,
        );
        return told.length === 2;
      });
      // The conversation of a neighbour may end a little later than the pull.
      await until("all spans have their parents", () =>
        collector.spans.every((span) => span.parentSpanId === "" || collector.parent(span)),
      );
    }
    const [root] = shared();
    expect(root).toBeDefined();
    const { traceId } = root!;
    expect(root).toMatchObject({ service: "dfdaemon", kind: 2, parentSpanId: "" });
    expect(root!.attributes).toMatchObject({
      "server.address": registry.host,
      "dragonfly.outcome": "p2p",
    });
    const { "dragonfly.bytes.registry": own, "dragonfly.bytes.peer": given } = root!.attributes;
    expect(Number(own) + Number(given)).toBe(image!.layers[0]!.size);

    const descent = (span: SentSpan) => descentOf(span, collector);
    const up = ["dfdaemon: download", "dfdaemon: pull blob"];
    const [admission] = named("take in client", traceId);
    expect(admission).toMatchObject({ service: "supernode", kind: 2 });
    expect(descent(admission!)).toEqual(["supernode: take in client", "dfdaemon: register", ...up]);
    const fetched = named("blocks from the source", traceId);
    for (const span of fetched) {
      expect(span.attributes["server.address"]).toBe(registry.host);
      expect(descent(span)).toEqual(["dfdaemon: blocks from the source", ...up]);
    }
    const serving = named("serve neighbour", traceId).find((span) => served(span) > 0)!;
    expect(serving.instance).not.toBe(root!.instance);
    expect(descent(serving)).toEqual([
      "dfdaemon: serve neighbour",
      "dfdaemon: blocks from neighbour",
      ...up,
    ]);
    expect(descent(named("verify", traceId)[0]!)).toEqual(["dfdaemon: verify", ...up]);

    // dfget is named its collector by flag or variable.
    await fetchByDfget(supernode, collector, image!, "team/traced-0");
    const mine = collector.spans.filter(({ service }) => service === "dfget");
    const top = mine.find(({ name }) => name === "download")!;
    expect(top.parentSpanId).toBe("");
    expect(mine.map(({ name }) => name)).toContain("register");

    // Neither what opens the registry nor what opens the collector is told to anybody.
    const [{ authorization }] = collector.headers as [{ authorization?: string }];
    expect(authorization).toBe(TOKEN);
    const secrets = [TOKEN, basic().split(" ")[1]!, ACCOUNT.password];
    const told = [...collector.bodies, ...(await Promise.all(nodes.map(logOf)))].join("\n");
    for (const secret of secrets) expect(told).not.toContain(secret);
    const config = join(nodes[0]!.home, `dfdaemon-${nodes[0]!.port}.yml`);
    const shown = await run(scratch, [...ourProgram("dfdaemon"), "--config", config, "config"]);
    expect(shown.output).toContain("Authorization: (not shown)");
    expect(shown.output).not.toContain(TOKEN);
  });

  it.each<CdnPattern>(["local", "source"])(
    "follow a download by v1's schedule, CDN pattern %s",
    async (cdnPattern) => {
      const collector = await Collector.start(scratch);
      const { nodes, supernode } = await start(collector.url, "1G", cdnPattern);
      const repository = `team/scheduled-${cdnPattern}`;
      const image = await createImage(scratch, `scheduled-${cdnPattern}`, [9 * MB]);
      await registry.push(image, repository);
      // The supernode has no copy in pattern `source`: then a node has the file.
      if (cdnPattern === "source") await pull(nodes[0]!, image, repository);
      await fetchByDfget(supernode, collector, image, repository);
      const top = collector.spans.find(
        ({ service, name }) => service === "dfget" && name === "download",
      )!;
      const named = (name: string) =>
        collector.spans.filter((span) => span.name === name && span.traceId === top.traceId);
      const up = ["dfget: download"];
      const [server, serving] =
        cdnPattern === "local" ? ["supernode", "serve copy"] : ["dfdaemon", "serve piece"];
      // 9 MB are three pieces.
      await until("all pieces are told", () => named(serving).length >= 3);
      await until("all spans have their parents", () =>
        collector.spans.every((span) => span.parentSpanId === "" || collector.parent(span)),
      );
      for (const span of named(serving)) {
        const schedule = "dfget: pieces by v1's schedule";
        expect(descentOf(span, collector)).toEqual([`${server}: ${serving}`, schedule, ...up]);
        expect(span).toMatchObject({ service: server, kind: 2 });
      }
      if (cdnPattern === "source") {
        const bytes = named(serving).map((span) =>
          Number(span.attributes["dragonfly.bytes.served"]),
        );
        expect(bytes.reduce((sum, one) => sum + one)).toBeGreaterThanOrEqual(9 * MB);
        return;
      }
      for (const { attributes } of named(serving))
        expect(attributes["http.response.status_code"]).toBe(206);
      await until("the copy is told", () => {
        const [span] = named("copy from the source");
        return span !== undefined && collector.parent(span) !== undefined;
      });
      const [copy] = named("copy from the source");
      expect(copy!.kind).toBe(3);
      expect(copy!.attributes["url.full"]).toContain(image.layers[0]!.digest);
      expect(descentOf(copy!, collector)).toEqual([
        ...["supernode: copy from the source", "supernode: take in client", "dfget: register"],
        ...up,
      ]);
    },
  );

  it("cost no pull anything where their collector is not there, and the log says so once", async () => {
    const address = freshAddress();
    const { nodes } = await start(`http://${address}:${await freePort(address)}`, "1G");
    const complaint = "does not take spans";
    const [node] = nodes;
    for (const name of ["lone-0", "lone-1"]) {
      const image = await createImage(scratch, name, [2 * MB]);
      await registry.push(image, `team/${name}`);
      await pull(node!, image, `team/${name}`);
      await until("the log says so", async () => (await logOf(node!)).includes(complaint));
    }
    await node!.process.stop();
    expect((await logOf(node!)).split(complaint)).toHaveLength(2);
  });
});

/** The line of descent, by names, from a span up to the first one. */
function descentOf(span: SentSpan, collector: Collector): string[] {
  const parent = collector.parent(span);
  return [`${span.service}: ${span.name}`, ...(parent ? descentOf(parent, collector) : [])];
}

function served({ attributes }: SentSpan): number {
  return Number(attributes["dragonfly.blocks"] ?? 0);
}

/** What the registry's account shows to it. */
function basic(): string {
  return `Basic ${Buffer.from(`${ACCOUNT.user}:${ACCOUNT.password}`).toString("base64")}`;
}
