import { createHash, randomBytes } from "node:crypto";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { freePort } from "../support/addresses.ts";
import { MB } from "../support/image.ts";
import { accepts, RunningProgram } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import type { CdnPattern } from "../support/supernode.ts";
import { newHost } from "./dfget.ts";
import { startOrigin } from "./origin.ts";
import { startAnySupernode } from "./supernode.ts";
import { describeWithV1, type Make, program } from "./v1_programs.ts";
import { watch } from "./watched_node.ts";

interface Case {
  supernode: Make;
  dfdaemon: Make;
  /** Started by a dfdaemon of v1 for each layer; ours needs none. */
  dfget: Make;
}

const CASES: readonly Case[] = [
  { supernode: "ours", dfdaemon: "go", dfget: "ours" },
  { supernode: "go", dfdaemon: "go", dfget: "ours" },
  { supernode: "ours", dfdaemon: "go", dfget: "go" },
  { supernode: "go", dfdaemon: "ours", dfget: "ours" },
];

/** Starts a node's dfdaemon as a mirror of `registry`; its URL. */
async function startNode(
  { dfdaemon, dfget }: Case,
  scratch: Scratch,
  { registry, node }: { registry: string; node: string },
): Promise<{ url: string; address: string }> {
  const host = await newHost(scratch);
  // v1's listens on all addresses.
  const port = await freePort("0.0.0.0");
  const dfpath = join(host.home, "dfget");
  const words = program(dfget, "dfget").map((word) => `'${word}'`);
  await writeFile(dfpath, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`);
  await chmod(dfpath, 0o755);
  const config = join(host.home, "dfdaemon.yml");
  await writeFile(
    config,
    stringify({
      hostIp: host.address,
      port,
      registry_mirror: { remote: registry },
      supernodes: [node],
      ratelimit: "1G",
      workHome: host.home,
      localrepo: join(host.home, "dfdaemon/data"),
      dfpath,
      dfget_flags: ["--home", host.home, "--ip", host.address, "--port", String(host.port)],
    }),
  );
  const running = RunningProgram.start(scratch, [
    ...program(dfdaemon, "dfdaemon"),
    ...["--config", config],
  ]);
  await running.until("it listens", () => accepts(host.address, port));
  return { url: `http://${host.address}:${port}`, address: host.address };
}

describeWithV1("nodes whose dfdaemon, dfget and supernode are not of one make", () => {
  const cases = CASES.flatMap((one) =>
    (["local", "source"] as CdnPattern[]).map((cdnPattern) => ({ ...one, cdnPattern })),
  );

  describe.each(cases)(
    "dfdaemon $dfdaemon, dfget $dfget, supernode $supernode, CDN pattern $cdnPattern",
    (makes) => {
      let scratch: Scratch;
      beforeAll(async () => {
        scratch = await Scratch.open("interop-dfdaemon");
      });
      afterAll(() => scratch?.close());

      it("bring a layer, the second node without the registry", async () => {
        const layer = randomBytes(20 * MB);
        const digest = createHash("sha256").update(layer).digest("hex");
        const path = `/v2/library/layered/blobs/sha256:${digest}`;
        const origin = await startOrigin(scratch, { [path]: layer });
        const supernode = await startAnySupernode(makes.supernode, scratch, makes.cdnPattern);
        const { node, registrations } = await watch(scratch, supernode);
        for (const turn of [1, 2]) {
          const { url } = await startNode(makes, scratch, { registry: origin.url, node });
          const answer = await fetch(`${url}${path}`);
          expect(answer.status).toBe(200);
          expect(layer.equals(Buffer.from(await answer.arrayBuffer()))).toBe(true);
          expect(registrations()).toBeGreaterThanOrEqual(turn);
        }
        // By pattern `source` v1's supernode sends several nodes to the registry for one piece.
        const once = makes.supernode === "ours" || makes.cdnPattern === "local";
        expect(origin.sent(path)).toBeLessThan((once ? 1.3 : 2) * layer.length);
      }, 120_000);
    },
  );
});
