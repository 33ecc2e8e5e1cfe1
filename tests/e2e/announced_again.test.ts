import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { taskSummarySchema, taskViewSchema } from "../../protocol/control/messages.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { Authority } from "../support/authority.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Redis } from "../support/redis.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";

const NODES = 4;
const REPOSITORY = "announced/image";

/** What nodes say to a supernode that knows nothing of them; how soon is printed, for docs/reliability.md. */
describeWithPrograms(
  "nodes that have whole files",
  { programs: ["skopeo", "docker-registry", "redis-server"] },
  () => {
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let image: Image;
    let http: HttpClient;

    beforeAll(async () => {
      scratch = await Scratch.open("announced-again");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "announced", [4 * MB, 6 * MB, 9 * MB]);
      await registry.push(image, REPOSITORY);
      http = new HttpClient();
      scratch.defer(() => http.close());
    });
    afterAll(() => scratch?.close());

    const startNodes = (supernodes: readonly Supernode[]) =>
      Promise.all(
        Array.from({ length: NODES }, () =>
          Dfdaemon.start(scratch, {
            registry,
            authority,
            // All ask the first one first.
            supernodes: supernodes.map(({ node }, place) => `${node}=${place === 0 ? 999_999 : 1}`),
          }),
        ),
      );
    const pullAll = (nodes: readonly Dfdaemon[]) =>
      Promise.all(
        nodes.map(async (node) => {
          const into = await scratch.directory(`pulled-${node.address}`);
          const trust = authority.directory;
          const pull = { registry, repository: REPOSITORY, into, proxy: node.url, trust };
          await expectImage(startSkopeoPull(scratch, pull), into, image);
        }),
      );
    const ask = async (supernode: Supernode, path: string) =>
      JSON.parse((await http.text(`http://${supernode.node}/control${path}`)).text) as unknown;
    /** How many files a supernode knows that all nodes have. */
    const known = async (supernode: Supernode) => {
      const tasks = taskSummarySchema.array().parse(await ask(supernode, "/tasks"));
      const views = await Promise.all(tasks.map(({ id }) => ask(supernode, `/tasks/${id}`)));
      const whole = views.map((view) =>
        taskViewSchema.parse(view).holders.filter(({ share }) => share === 1),
      );
      return whole.filter((holders) => holders.length === NODES).length;
    };
    const untilAllIsKnown = async (supernode: Supernode) => {
      const sinceMs = performance.now();
      // The layers, and the image's configuration.
      while ((await known(supernode)) < image.layers.length + 1) await sleep(20);
      const seconds = ((performance.now() - sinceMs) / 1000).toFixed(1);
      console.log(
        `a supernode that takes over: all files of ${NODES} nodes are known after ${seconds} s`,
      );
    };

    it("tell the other one of two that share a state, once theirs is gone for good", async () => {
      const redis = await Redis.start(scratch);
      const start = () =>
        startSupernode(scratch, { cdnPattern: "source", registry, base: { state: redis.url } });
      const [first, second] = [await start(), await start()];
      const nodes = await startNodes([first, second]);
      await pullAll(nodes);
      const egress = await registry.egress();
      await first.process.stop("SIGKILL");
      await untilAllIsKnown(second);
      for (const layer of image.layers) expect(await egress.of(layer)).toBeLessThan(16);
    });
  },
);
