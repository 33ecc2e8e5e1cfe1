import { afterAll, beforeAll, expect, it } from "vitest";
import * as z from "zod";
import { taskSummarySchema } from "../../protocol/control/messages.ts";
import { Authority } from "../support/authority.ts";
import { startCluster } from "../support/cluster.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { runWell } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";

describeWithPrograms(
  "a restarted dfdaemon serves from its cache",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    const repository = "library/kept";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let image: Image;

    beforeAll(async () => {
      scratch = await Scratch.open("cache-restart");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "kept", [MB, 12 * MB]);
      await registry.push(image, repository);
    });
    afterAll(() => scratch?.close());

    it.each<NodeJS.Signals>(["SIGTERM", "SIGKILL"])(
      "after %s: no byte of a layer from the registry",
      async (signal) => {
        // In pattern `source` the supernode holds no bytes: they can only be the node's own.
        const { supernode, nodes, stop } = await startCluster(scratch, {
          nodes: 1,
          cdnPattern: "source",
          registry,
          authority,
        });
        const [node] = nodes;
        const pull = async (into: string) => {
          const proxy = node!.url;
          const trust = authority.directory;
          const program = startSkopeoPull(scratch, { registry, repository, into, proxy, trust });
          await expectImage(program, into, image);
        };
        await pull(`${scratch.dir}/${signal}-before`);
        await node!.restart(signal);
        const egress = await registry.egress();
        await pull(`${scratch.dir}/${signal}-after`);
        for (const layer of image.layers) expect(await egress.of(layer)).toBe(0);
        // It is one node, as before.
        const command = [...ourProgram("dfctl"), "--supernode", supernode.node, "--json", "tasks"];
        const { stdout } = await runWell(scratch, command);
        const tasks = z.array(taskSummarySchema).parse(JSON.parse(stdout.toString()));
        for (const { digest } of image.layers)
          expect(tasks.filter(({ url }) => url.endsWith(digest))).toMatchObject([
            { clients: { waiting: 0, running: 0, success: 1, failed: 0 } },
          ]);
        await stop();
      },
    );
  },
);
