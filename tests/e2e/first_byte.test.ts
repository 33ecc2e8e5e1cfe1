import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { BlobSource, getByProxy, type SendBlob } from "../support/blob_source.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";

/** Bytes that the registry sends first: a part of a block. */
const FIRST_BYTES = 300_000;

describeWithPrograms("the first byte of a layer", { programs: ["docker-registry"] }, () => {
  let scratch: Scratch;
  let cluster: Cluster;
  let source: BlobSource;
  /** How the first requests for bytes are answered; others get what they ask for. */
  let answers: SendBlob[] = [];
  /** Ends {@link arrival}: the client has its first byte. */
  let arrived: () => void;
  let arrival: Promise<void>;

  beforeAll(async () => {
    scratch = await Scratch.open("first-byte");
    const registry = await Registry.start(scratch);
    const authority = await Authority.create(scratch, "nodes");
    cluster = await startCluster(scratch, { nodes: 1, cdnPattern: "source", registry, authority });
    source = await BlobSource.start(scratch, (response, body) => {
      const answer = answers.shift();
      return answer ? answer(response, body) : response.end(body);
    });
  });
  beforeEach(() => {
    arrival = new Promise((resolve) => {
      arrived = resolve;
    });
  });
  afterAll(async () => {
    await cluster?.stop();
    await scratch?.close();
  });

  it("comes when the registry has sent it, not when it has sent a whole block", async () => {
    const { url, content } = source.add(3 * MB);
    answers = [
      async (response, body) => {
        response.write(body.subarray(0, FIRST_BYTES));
        await arrival;
        response.end(body.subarray(FIRST_BYTES));
      },
    ];
    const { bytes, isWhole } = await getByProxy(cluster.nodes[0]!, url, arrived);
    expect(isWhole).toBe(true);
    expect(bytes.equals(content)).toBe(true);
  });

  it("is no part of a whole answer where the registry sent another than the layer has", async () => {
    const { url, content } = source.add(3 * MB);
    answers = [
      async (response) => {
        response.write(Buffer.alloc(FIRST_BYTES));
        await arrival;
        response.destroy();
      },
      // It is asked for the layer anew then, not for the rest.
      (response) => {
        response.removeHeader("Content-Range");
        response.writeHead(404, { "Content-Length": 0 }).end();
      },
    ];
    const { bytes, isWhole } = await getByProxy(cluster.nodes[0]!, url, arrived);
    expect(isWhole).toBe(false);
    expect(bytes.byteLength).toBeGreaterThan(0);
    expect(bytes.byteLength).toBeLessThan(content.byteLength);
  });
});
