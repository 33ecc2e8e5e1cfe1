import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MIN_PIECE_SIZE } from "../../protocol/piece_size.ts";
import { type DfgetHost, dfgetHost, startDfget } from "../support/dfget.ts";
import { MB } from "../support/image.ts";
import type { Finished } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";
import { type CdnPattern, type Supernode, startSupernode } from "../support/supernode.ts";

/** What frames a piece in CDN pattern `local` (protocol §2). */
const FRAME_BYTES = 5;

const SIZES = {
  "of 0 bytes": 0,
  "of 1 byte": 1,
  "of exactly one framed piece": MIN_PIECE_SIZE - FRAME_BYTES,
  "of one byte more than a framed piece": MIN_PIECE_SIZE - FRAME_BYTES + 1,
  "of exactly one bare piece": MIN_PIECE_SIZE,
  "of one byte more than a bare piece": MIN_PIECE_SIZE + 1,
  "of 300 MB": 300 * MB,
};

describe.each<CdnPattern>(["local", "source"])(
  "dfget on two hosts, CDN pattern %s",
  (cdnPattern) => {
    let scratch: Scratch;
    let supernode: Supernode;
    let source: Source;
    let hosts: [DfgetHost, DfgetHost];

    beforeAll(async () => {
      scratch = await Scratch.open("dfget-sizes");
      supernode = await startSupernode(scratch, { cdnPattern });
      source = await Source.start(scratch);
      hosts = [await dfgetHost(scratch), await dfgetHost(scratch)];
    });
    afterAll(() => scratch?.close());

    async function fetchOn(host: DfgetHost, file: SourceUrl): Promise<Finished> {
      const output = `${host.home}/output`;
      const args = [
        ...["-u", file.url, "-o", output, "--node", supernode.node, "--showbar"],
        // By default 300 MB take 15 s.
        ...["--locallimit", "1G", "--totallimit", "1G"],
      ];
      const dfget = await startDfget(scratch, host, args).finished();
      expect(dfget, dfget.output).toMatchObject({ code: 0 });
      expect(dfget.stdout.toString()).toContain(`download SUCCESS`);
      expect(dfget.stdout.toString()).toContain(`length:${file.size}`);
      expect(await sha256(output)).toBe(file.sha256);
      await rm(output);
      return dfget;
    }

    it.each(Object.entries(SIZES))("a file %s", async (name, size) => {
      const file = source.add(name.replaceAll(" ", "-"), size);
      await fetchOn(hosts[0], file);
      const second = await fetchOn(hosts[1], file);
      // v1 asks a source in pattern `source` for one byte, to see whether it knows Range.
      const probes = 16;
      if (size > 1) expect(file.sent()).toBeLessThanOrEqual(size + probes);
      if (size > 1 && cdnPattern === "source") expect(second.stderr).toContain("100% from peers");
    });
  },
);

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: MB }), hash);
  return hash.digest("hex");
}
