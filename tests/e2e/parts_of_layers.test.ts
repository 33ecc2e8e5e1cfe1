import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { BlobSource, getByProxy } from "../support/blob_source.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { MB } from "../support/image.ts";
import { until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";

const SIZE = 96 * MB;
/** Bytes that the registry sends in {@link TURN_MS}, to all together: the blob takes eight seconds. */
const TURN_BYTES = 120_000;
const TURN_MS = 10;

describeWithPrograms("a part of a layer", { programs: ["docker-registry"] }, () => {
  let scratch: Scratch;
  let registry: Registry;
  let authority: Authority;
  let source: BlobSource;
  let cluster: Cluster | undefined;
  /** What the registry has sent. */
  let sent = 0;

  beforeAll(async () => {
    scratch = await Scratch.open("parts");
    registry = await Registry.start(scratch);
    authority = await Authority.create(scratch, "nodes");
    let turn: Promise<unknown> = Promise.resolve();
    source = await BlobSource.start(scratch, async (response, body) => {
      for (let at = 0; at < body.byteLength && !response.destroyed; at += TURN_BYTES) {
        const part = body.subarray(at, at + TURN_BYTES);
        await (turn = turn.then(() => sleep((TURN_MS * part.byteLength) / TURN_BYTES)));
        sent += part.byteLength;
        if (!response.write(part)) await new Promise((resolve) => response.once("drain", resolve));
      }
      response.end();
    });
  });
  afterEach(async () => {
    await cluster?.stop();
    cluster = undefined;
  });
  afterAll(() => scratch?.close());

  const start = async (nodes: number) => {
    sent = 0;
    cluster = await startCluster(scratch, { nodes, cdnPattern: "source", registry, authority });
    return { nodes: cluster.nodes, ...source.add(SIZE) };
  };

  it("that is far from what the registry sends comes before all that lies between", async () => {
    const { nodes, url, content } = await start(1);
    const [node] = nodes;
    const whole = getByProxy(node!, url);
    await until("it begins", async () => sent > 8 * MB);
    const far = await getByProxy(node!, url, undefined, `bytes=${70 * MB}-${70 * MB + 99}`);
    const atFar = sent;
    const end = await getByProxy(node!, url, undefined, "bytes=-100");
    const atEnd = sent;
    expect(far.bytes.equals(content.subarray(70 * MB, 70 * MB + 100))).toBe(true);
    expect(end.bytes.equals(content.subarray(SIZE - 100))).toBe(true);
    expect(atFar).toBeLessThan(SIZE / 2);
    expect(atEnd).toBeLessThan(0.8 * SIZE);
    const all = await whole;
    expect(all.isWhole && all.bytes.equals(content)).toBe(true);
    expect(sent).toBeLessThan(1.02 * SIZE);
  });

  it("comes first where nothing else is asked for, also the end of it", async () => {
    const { nodes, url, content } = await start(1);
    const [node] = nodes;
    const end = await getByProxy(node!, url, undefined, "bytes=-100");
    const atEnd = sent;
    expect(end.bytes.equals(content.subarray(SIZE - 100))).toBe(true);
    expect(atEnd).toBeLessThan(SIZE / 4);
  });

  it("that another node is to fetch comes early, too", async () => {
    const { nodes, url, content } = await start(2);
    const [busy, lazy] = nodes;
    const whole = getByProxy(busy!, url);
    await until("it begins", async () => sent > 8 * MB);
    const range = `bytes=${60 * MB}-${76 * MB - 1}`;
    const far = await getByProxy(lazy!, url, undefined, range);
    const atFar = sent;
    expect(far.bytes.equals(content.subarray(60 * MB, 76 * MB))).toBe(true);
    expect(atFar).toBeLessThan(0.75 * SIZE);
    const all = await whole;
    expect(all.isWhole && all.bytes.equals(content)).toBe(true);
    expect(sent).toBeLessThan(1.05 * SIZE);
  });
});
