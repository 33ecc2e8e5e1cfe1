import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import type { CdnPattern } from "../support/supernode.ts";
import { newHost, startAnyDfget } from "./dfget.ts";
import { type AnySupernode, startAnySupernode } from "./supernode.ts";
import { describeWithV1, type Make } from "./v1_programs.ts";
import { watch } from "./watched_node.ts";

/** Who serves whom is up to chance: in so many swarms everyone must have had a turn. */
const ROUNDS = 6;

describeWithV1("a swarm of two Go clients and two of ours", () => {
  const cases = (["ours", "go"] as Make[]).flatMap((supernode) =>
    (["local", "source"] as CdnPattern[]).map((cdnPattern) => ({ supernode, cdnPattern })),
  );

  describe.each(cases)("supernode $supernode, CDN pattern $cdnPattern", (pair) => {
    let scratch: Scratch;
    let source: Source;
    let supernode: AnySupernode;
    beforeAll(async () => {
      scratch = await Scratch.open("interop-swarm");
      source = await Source.start(scratch);
      supernode = await startAnySupernode(pair.supernode, scratch, pair.cdnPattern);
    });
    afterAll(() => scratch?.close());

    it("has each serve the others", async () => {
      const makes: Make[] = ["go", "ours", "go", "ours"];
      const hosts = await Promise.all(makes.map(() => newHost(scratch)));
      const { node, servers } = await watch(scratch, supernode);
      /** `"go to ours"` and the like, as clients have reported it. */
      const exchanges = new Set<string>();
      const all = ["go to go", "go to ours", "ours to go", "ours to ours"];
      for (let round = 0; round < ROUNDS && exchanges.size < all.length; round++) {
        // Slow enough for everybody to be there before it is all over.
        const file = source.add(`swarm-${round}`, 96 * MB, { bytesPerSecond: 12 * MB });
        const downloads = hosts.map((host, index) =>
          startAnyDfget(makes[index]!, scratch, host, { url: file.url, node }),
        );
        for (const { output, dfget } of downloads) {
          const finished = await dfget.finished();
          expect(finished, finished.output).toMatchObject({ code: 0 });
          expect(finished.output).toMatch(/reason:0\b/);
          expect(file.content.equals(await readFile(output))).toBe(true);
        }
        for (const [to, client] of hosts.entries()) {
          for (const [from, server] of hosts.entries()) {
            if (servers(client.address).has(server.address) && from !== to)
              exchanges.add(`${makes[from]} to ${makes[to]}`);
          }
        }
      }
      expect([...exchanges].sort()).toEqual(all);
      const served = hosts.map(({ address }) =>
        hosts.some((other) => servers(other.address).has(address) && other.address !== address),
      );
      expect(served).toEqual([true, true, true, true]);
    }, 300_000);
  });
});
