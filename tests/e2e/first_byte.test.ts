import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
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
  let blobs: string;
  let content: Buffer;
  /** How the first requests for bytes are answered; others get what they ask for. */
  let answers: ((response: ServerResponse, body: Buffer) => unknown)[] = [];
  /** Ends {@link arrival}: the client has its first byte. */
  let arrived: () => void;
  let arrival: Promise<void>;

  beforeAll(async () => {
    scratch = await Scratch.open("first-byte");
    const registry = await Registry.start(scratch);
    const authority = await Authority.create(scratch, "nodes");
    cluster = await startCluster(scratch, { nodes: 1, cdnPattern: "source", registry, authority });
    const address = freshAddress();
    const source = createServer((asking, response) => {
      answer(asking, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => source.listen(0, address, resolve));
    scratch.defer(() => {
      source.close();
      source.closeAllConnections();
    });
    blobs = `http://${address}:${(source.address() as AddressInfo).port}/v2/library/x/blobs`;
  });
  beforeEach(() => {
    content = randomBytes(3 * MB);
    arrival = new Promise((resolve) => {
      arrived = resolve;
    });
  });
  afterAll(async () => {
    await cluster?.stop();
    await scratch?.close();
  });

  async function answer(asking: IncomingMessage, response: ServerResponse): Promise<void> {
    const range = parseRangeHeader(asking.headers.range, content.byteLength);
    const { start, end } = range.kind === "part" ? range : { start: 0, end: content.length - 1 };
    const body = content.subarray(start, end + 1);
    response.setHeader("Accept-Ranges", "bytes");
    response.setHeader("Content-Length", body.byteLength);
    if (range.kind === "part") {
      response.statusCode = 206;
      response.setHeader("Content-Range", `bytes ${start}-${end}/${content.byteLength}`);
    }
    if (asking.method === "HEAD") return void response.end();
    await (answers.shift() ?? (() => response.end(body)))(response, body);
  }

  /** Gets the layer by the node, as a client of its proxy does; gives what came, and whether that was all. */
  function get(): Promise<{ bytes: Buffer; isWhole: boolean }> {
    const { address, port } = cluster.nodes[0]!;
    const digest = createHash("sha256").update(content).digest("hex");
    return new Promise((resolve, reject) => {
      request({ host: address, port, path: `${blobs}/sha256:${digest}` }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          arrived();
        });
        const done = () => resolve({ bytes: Buffer.concat(chunks), isWhole: response.complete });
        response.once("error", done).once("end", done);
      })
        .once("error", reject)
        .end();
    });
  }

  it("comes when the registry has sent it, not when it has sent a whole block", async () => {
    answers = [
      async (response, body) => {
        response.write(body.subarray(0, FIRST_BYTES));
        await arrival;
        response.end(body.subarray(FIRST_BYTES));
      },
    ];
    const { bytes, isWhole } = await get();
    expect(isWhole).toBe(true);
    expect(bytes.equals(content)).toBe(true);
  });

  it("is no part of a whole answer where the registry sent another than the layer has", async () => {
    answers = [
      async (response) => {
        response.write(Buffer.alloc(FIRST_BYTES));
        await arrival;
        response.destroy();
      },
      // It is asked for the layer anew then, not for the rest.
      (response) => response.writeHead(503, { "Content-Length": 0 }).end(),
    ];
    const { bytes, isWhole } = await get();
    expect(isWhole).toBe(false);
    expect(bytes.byteLength).toBeGreaterThan(0);
    expect(bytes.byteLength).toBeLessThan(content.byteLength);
  });
});
