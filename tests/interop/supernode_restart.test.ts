import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import type { CdnPattern } from "../support/supernode.ts";
import { newHost, startAnyDfget } from "./dfget.ts";
import { type AnySupernode, startAnySupernode, untilGone } from "./supernode.ts";
import { describeWithV1, PAIRS } from "./v1_programs.ts";

describeWithV1("a supernode that is killed and started again", () => {
  const cases = PAIRS.flatMap((pair) =>
    (["local", "source"] as CdnPattern[]).map((cdnPattern) => ({ ...pair, cdnPattern })),
  );

  describe.each(cases)("dfget $dfget, supernode $supernode, CDN pattern $cdnPattern", (pair) => {
    let scratch: Scratch;
    let source: Source;
    let supernode: AnySupernode;
    beforeAll(async () => {
      scratch = await Scratch.open("interop-restart");
      source = await Source.start(scratch);
      supernode = await startAnySupernode(pair.supernode, scratch, pair.cdnPattern);
    });
    afterAll(() => scratch?.close());

    it("costs no download, and serves the next ones", async () => {
      const file = source.add("interrupted", 24 * MB, { bytesPerSecond: 8 * MB });
      const { node } = supernode;
      const { output, dfget } = startAnyDfget(pair.dfget, scratch, await newHost(scratch), {
        url: file.url,
        node,
      });
      await dfget.until("bytes flow", () => file.sent() > 4 * MB);
      await supernode.kill();
      await untilGone(supernode);
      const finished = await dfget.finished();
      expect(finished, finished.output).toMatchObject({ code: 0 });
      expect(file.content.equals(await readFile(output))).toBe(true);

      await supernode.start();
      for (const next of [file, source.add("afterwards", 9 * MB)]) {
        next.change({ bytesPerSecond: Number.POSITIVE_INFINITY });
        const host = await newHost(scratch);
        const again = startAnyDfget(pair.dfget, scratch, host, { url: next.url, node });
        const served = await again.dfget.finished();
        expect(served, served.output).toMatchObject({ code: 0 });
        expect(served.output).toMatch(/reason:0\b/);
        expect(next.content.equals(await readFile(again.output))).toBe(true);
      }
    }, 120_000);
  });
});
