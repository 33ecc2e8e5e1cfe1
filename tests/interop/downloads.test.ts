import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import type { CdnPattern } from "../support/supernode.ts";
import { newHost, startAnyDfget } from "./dfget.ts";
import { type AnySupernode, startAnySupernode } from "./supernode.ts";
import { describeWithV1, PAIRS } from "./v1_programs.ts";
import { watch } from "./watched_node.ts";

const SIZES: Record<string, number> = {
  "0 B": 0,
  "1 B": 1,
  "4 MiB - 5": 4 * MB - 5,
  "4 MiB": 4 * MB,
  "4 MiB + 1": 4 * MB + 1,
  "300 MB, of pieces over 4 MiB": 300_000_000,
};

describeWithV1("one make's dfget on the other's supernode", () => {
  const cases = PAIRS.flatMap((pair) =>
    (["local", "source"] as CdnPattern[]).map((cdnPattern) => ({ ...pair, cdnPattern })),
  );

  describe.each(cases)("dfget $dfget, supernode $supernode, CDN pattern $cdnPattern", (pair) => {
    let scratch: Scratch;
    let source: Source;
    let supernode: AnySupernode;
    beforeAll(async () => {
      scratch = await Scratch.open("interop-downloads");
      source = await Source.start(scratch);
      supernode = await startAnySupernode(pair.supernode, scratch, pair.cdnPattern);
    });
    afterAll(() => scratch?.close());

    it.each(Object.entries(SIZES))(
      "%s, by two clients one after the other",
      async (name, size) => {
        const file = source.add(name.replace(/\W/g, "_"), size);
        for (const turn of ["first", "second"]) {
          const { node, registrations } = await watch(scratch, supernode);
          const { output, dfget } = startAnyDfget(pair.dfget, scratch, await newHost(scratch), {
            url: file.url,
            node,
          });
          const finished = await dfget.finished();
          expect(finished, `${turn}: ${finished.output}`).toMatchObject({ code: 0 });
          expect(file.content.equals(await readFile(output))).toBe(true);
          expect(registrations()).toBeGreaterThan(0);
          // v1's supernode takes no empty file in by pattern `source`.
          const mayLeave = size === 0 && pair.cdnPattern === "source";
          expect(finished.output).toMatch(mayLeave ? /reason:[01]\b/ : /reason:0\b/);
        }
      },
      120_000,
    );
  });
});
