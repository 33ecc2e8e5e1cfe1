import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import { newHost, startAnyDfget } from "./dfget.ts";
import { type AnySupernode, startAnySupernode } from "./supernode.ts";
import { describeWithV1, type Make } from "./v1_programs.ts";
import { watch } from "./watched_node.ts";

describeWithV1("one peer server of a host, for dfgets of both makes", () => {
  let scratch: Scratch;
  let source: Source;
  let supernode: AnySupernode;
  beforeAll(async () => {
    scratch = await Scratch.open("interop-peer-server");
    source = await Source.start(scratch);
    supernode = await startAnySupernode("ours", scratch, "source");
  });
  afterAll(() => scratch?.close());

  describe.each<{ server: Make; dfget: Make }>([
    { server: "ours", dfget: "go" },
    { server: "go", dfget: "ours" },
  ])("started by $server, used by $dfget", (makes) => {
    it("serves what the other has fetched", async () => {
      const host = await newHost(scratch);
      const servers = async () =>
        (await scratch.peerServers()).filter(({ command }) => command.includes(host.address));

      const { node } = supernode;
      const first = source.add(`starts-${makes.server}`, MB);
      const starting = startAnyDfget(makes.server, scratch, host, { url: first.url, node });
      const started = await starting.dfget.finished();
      expect(started, started.output).toMatchObject({ code: 0 });
      const running = await servers();
      expect(running).toHaveLength(1);

      const file = source.add(`shares-${makes.server}`, 9 * MB);
      const using = startAnyDfget(makes.dfget, scratch, host, { url: file.url, node });
      const used = await using.dfget.finished();
      expect(used, used.output).toMatchObject({ code: 0 });
      expect(used.output).toMatch(/reason:0\b/);
      expect(await servers()).toEqual(running);

      const sent = file.sent();
      const elsewhere = await newHost(scratch);
      const watched = await watch(scratch, supernode);
      const { output, dfget } = startAnyDfget("ours", scratch, elsewhere, {
        url: file.url,
        node: watched.node,
      });
      const served = await dfget.finished();
      expect(served, served.output).toMatchObject({ code: 0 });
      expect(file.content.equals(await readFile(output))).toBe(true);
      expect(watched.servers(elsewhere.address)).toEqual(new Set([host.address]));
      // But for a question after its length.
      expect(file.sent() - sent).toBeLessThanOrEqual(16);
    });
  });
});
