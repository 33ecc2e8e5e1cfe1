import type { ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { BlobSource, getByProxy, type SendBlob } from "../support/blob_source.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";

/** Bytes a second that a slow registry sends in all: a block takes longer than p2p waits for one that does not come. */
const SLOW = 100_000;
const STEP_MS = 50;
/** Bytes after which answers break off. */
const BROKEN_AFTER = 400_000;
/** … and stand still. */
const STILL_AFTER = 100_000;

/** Sends answers at a rate that they share. */
class SlowLine {
  readonly #onBytes: (bytes: number) => void;
  readonly #answers = new Map<ServerResponse, Buffer>();
  readonly #timer = setInterval(() => this.#step(), STEP_MS);

  constructor(onBytes: (bytes: number) => void) {
    this.#onBytes = onBytes;
  }

  readonly send = (response: ServerResponse, body: Buffer) => {
    this.#answers.set(response, body);
    response.once("close", () => this.#answers.delete(response));
  };

  close(): void {
    clearInterval(this.#timer);
  }

  #step(): void {
    const share = Math.ceil((SLOW * STEP_MS) / 1000 / Math.max(1, this.#answers.size));
    for (const [response, body] of this.#answers) {
      this.#onBytes(Math.min(share, body.byteLength));
      response.write(body.subarray(0, share));
      if (body.byteLength > share) this.#answers.set(response, body.subarray(share));
      else {
        this.#answers.delete(response);
        response.end();
      }
    }
  }
}

describeWithPrograms("a registry in trouble", { programs: ["docker-registry"] }, () => {
  let scratch: Scratch;
  let cluster: Cluster;
  let source: BlobSource;
  let answer: SendBlob;
  let asked: number;
  /** Bytes. */
  let sent: number;
  let line: SlowLine | undefined;

  beforeAll(async () => {
    scratch = await Scratch.open("registry-in-trouble");
    const registry = await Registry.start(scratch);
    const authority = await Authority.create(scratch, "nodes");
    cluster = await startCluster(scratch, { nodes: 3, cdnPattern: "source", registry, authority });
    source = await BlobSource.start(scratch, (response, body) => {
      asked += 1;
      return answer(response, body);
    });
  });
  afterEach(() => {
    line?.close();
    line = undefined;
  });
  afterAll(async () => {
    await cluster?.stop();
    await scratch?.close();
  });

  function send(response: ServerResponse, body: Buffer): void {
    sent += body.byteLength;
    response.end(body);
  }

  const sayNo = (status: number): SendBlob => {
    return (response, body) => {
      if (asked % 3 !== 1) return send(response, body);
      response.removeHeader("Content-Range");
      response.writeHead(status, { "Content-Length": 0 }).end();
    };
  };

  const breakOff: SendBlob = (response, body) => {
    if (body.byteLength <= BROKEN_AFTER) return send(response, body);
    sent += BROKEN_AFTER;
    response.write(body.subarray(0, BROKEN_AFTER), () => response.destroy());
  };

  const standStill: SendBlob = (response, body) => {
    if (asked !== 2) return send(response, body);
    sent += STILL_AFTER;
    response.write(body.subarray(0, STILL_AFTER));
  };

  const beSlow: SendBlob = (response, body) => {
    line ??= new SlowLine((bytes) => {
      sent += bytes;
    });
    line.send(response, body);
  };

  it.each<[string, number, SendBlob]>([
    ["says 503 to each third request", 12 * MB, sayNo(503)],
    ["says 429 to each third request", 12 * MB, sayNo(429)],
    ["breaks off in the middle of each answer", 6 * MB, breakOff],
    ["stands still in the middle of an answer", 12 * MB, standStill],
    ["is slow", 2 * MB, beSlow],
  ])("that %s sends a layer about once all the same", async (_what, size, how) => {
    asked = sent = 0;
    answer = how;
    const { url, content } = source.add(size);
    const pulls = await Promise.all(cluster.nodes.map((node) => getByProxy(node, url)));
    for (const { bytes, isWhole } of pulls) {
      expect(isWhole).toBe(true);
      expect(bytes.equals(content)).toBe(true);
    }
    expect(sent).toBeGreaterThanOrEqual(size);
    expect(sent).toBeLessThanOrEqual(aboutOnce(size));
  });
});
