import type { ServerResponse } from "node:http";
import { afterAll, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { BlobSource, getByProxy } from "../support/blob_source.ts";
import { startCluster } from "../support/cluster.ts";
import { MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";

/** Bytes a second that the registry sends in all: a block takes longer than p2p waits for one that does not come. */
const RATE = 100_000;
const STEP_MS = 50;

/** Sends answers at a rate that they share. */
class SlowLine {
  /** Bytes sent. */
  sent = 0;
  readonly #answers = new Map<ServerResponse, Buffer>();
  readonly #timer = setInterval(() => this.#step(), STEP_MS);

  readonly send = (response: ServerResponse, body: Buffer) => {
    this.#answers.set(response, body);
    response.once("close", () => this.#answers.delete(response));
  };

  close(): void {
    clearInterval(this.#timer);
  }

  #step(): void {
    const share = Math.ceil((RATE * STEP_MS) / 1000 / Math.max(1, this.#answers.size));
    for (const [response, body] of this.#answers) {
      this.sent += Math.min(share, body.byteLength);
      response.write(body.subarray(0, share));
      if (body.byteLength > share) this.#answers.set(response, body.subarray(share));
      else {
        this.#answers.delete(response);
        response.end();
      }
    }
  }
}

describeWithPrograms("a registry that is slow", { programs: ["docker-registry"] }, () => {
  let scratch: Scratch;
  const line = new SlowLine();
  afterAll(async () => {
    line.close();
    await scratch?.close();
  });

  it("is not asked by each node for all of it because no block comes for long", async () => {
    scratch = await Scratch.open("slow-registry");
    const registry = await Registry.start(scratch);
    const authority = await Authority.create(scratch, "nodes");
    const options = { nodes: 2, cdnPattern: "source" as const, registry, authority };
    const cluster = await startCluster(scratch, options);
    const source = await BlobSource.start(scratch, line.send);
    const { url, content } = source.add(2 * MB);
    const pulls = await Promise.all(cluster.nodes.map((node) => getByProxy(node, url)));
    for (const { bytes, isWhole } of pulls) {
      expect(isWhole).toBe(true);
      expect(bytes.equals(content)).toBe(true);
    }
    expect(line.sent / content.byteLength).toBeLessThan(1.6);
    await cluster.stop();
  });
});
