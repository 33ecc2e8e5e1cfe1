import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { openLinks } from "../../runtime/links/links.ts";
import { getLogger } from "../../runtime/logger.ts";
import { HANDED_ON } from "../../supernode/shared/owner_client.ts";
import { freePort } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { Collector } from "../support/collector.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { createImage, MB } from "../support/image.ts";
import { Members } from "../support/links.ts";
import { until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Redis } from "../support/redis.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";

describeWithPrograms(
  "supernodes that share a state",
  { programs: ["redis-server", "skopeo", "docker-registry"] },
  () => {
    let scratch: Scratch;
    let redis: Redis;
    const clients: HttpClient[] = [];

    beforeAll(async () => {
      scratch = await Scratch.open("supernodes-trust");
      redis = await Redis.start(scratch);
    });
    afterAll(async () => {
      for (const client of clients) client.close();
      await scratch?.close();
    });

    const clientWith = async (keys: object) => {
      const links = await openLinks(keys, getLogger("supernode"));
      scratch.defer(() => links?.close());
      const client = new HttpClient({ links });
      clients.push(client);
      return client;
    };

    it("ask each other by mutual TLS, in the trace of the pull, and nobody else gets an answer", async () => {
      const registry = await Registry.start(scratch);
      const authority = await Authority.create(scratch, "nodes");
      const { keys } = new Members(scratch, await Authority.create(scratch, "programs"));
      const collector = await Collector.start(scratch);
      const env = { OTEL_BSP_SCHEDULE_DELAY: "200" };
      const tracing = { endpoint: collector.url };
      const supernodes = await Promise.all(
        [0, 1].map(async () =>
          startSupernode(scratch, {
            cdnPattern: "source",
            registry,
            env,
            base: { ...(await keys()), tracing, state: redis.url },
          }),
        ),
      );
      const nodes = await Promise.all(
        [0, 1].map((index) =>
          Dfdaemon.start(scratch, {
            // Each asks another one first.
            supernodes: supernodes.map(
              ({ node }, place) => `${node}=${place === index ? 999_999 : 1}`,
            ),
            registry,
            authority,
            keys: async () => ({ ...(await keys()), tracing }),
            env,
          }),
        ),
      );
      const image = await createImage(scratch, "trusted", [20 * MB]);
      const [layer] = image.layers;
      const repository = "library/trusted";
      await registry.push(image, repository);
      const egress = await registry.egress();
      await Promise.all(
        nodes.map(async ({ home, url: proxy }) => {
          const into = join(home, "pulled");
          const trust = authority.directory;
          const pull = { registry, repository, into, proxy, trust };
          await expectImage(startSkopeoPull(scratch, pull), into, image);
        }),
      );
      // Had the one not reached the other, each would have had a swarm of its own: two copies.
      expect((await egress.of(layer!)) / layer!.size).toBeLessThanOrEqual(1.3);

      const member = await clientWith(await keys());
      const owners = await Promise.all(
        supernodes.map(async ({ node }) => {
          const { text } = await member.text(`http://${node}/control/tasks`, { own: true });
          return (JSON.parse(text) as { url: string; clients: Record<string, number> }[])
            .filter(({ url }) => url.includes(layer!.digest))
            .flatMap((task) => Object.values(task.clients))
            .reduce((sum, count) => sum + count, 0);
        }),
      );
      expect(owners.toSorted()).toEqual([0, 2]);

      // The one that was asked is the parent of the one that has the task, and a pull is at the root.
      const asked = () =>
        collector.spans
          .filter(({ name }) => name === "take in client")
          .map((span) => ({ span, parent: collector.parent(span) }))
          .find(({ parent }) => parent?.name === "take in client");
      await until("the owner's part in the trace is told", () => asked() !== undefined);
      const { span, parent } = asked()!;
      expect(span.instance).not.toBe(parent!.instance);
      await until("the rest of the trace is told", () =>
        collector.spans.some(
          ({ name, traceId }) => name === "pull blob" && traceId === span.traceId,
        ),
      );

      const strangers = new Members(scratch, await Authority.create(scratch, "strangers"));
      const others = [await clientWith({}), await clientWith(await strangers.keys())];
      const headers = { [HANDED_ON]: supernodes[0]!.node };
      for (const { node } of supernodes) {
        const url = `http://${node}/_ping`;
        expect(await member.text(url, { headers, own: true })).toMatchObject({ status: 200 });
        for (const stranger of others)
          await expect(stranger.text(url, { headers, own: true })).rejects.toThrow();
      }
      await stop([...nodes, ...supernodes]);
    });

    it("say so where two of them go by one address", async () => {
      const port = await freePort("0.0.0.0");
      // Two hosts, and by mistake the one is known by the other's address.
      const start = (address: string) =>
        startSupernode(scratch, {
          cdnPattern: "source",
          base: { state: redis.url, advertiseIP: "127.0.0.1", listenIp: address },
          at: { address, port },
        });
      const first = await start("127.0.0.1");
      const twin = await start("127.0.0.2");
      const client = await clientWith({});
      const ask = async (host: string, path: string) =>
        (await client.text(`http://${host}:${port}${path}`)).text;
      const clash = `another supernode goes by 127.0.0.1:${port}, too`;
      for (const host of ["127.0.0.1", "127.0.0.2"]) {
        await until("it says so", async () => (await ask(host, "/readyz")).includes(clash));
        expect(await ask(host, "/metrics")).toMatch(/^dragonfly_supernode_state_shared 0$/m);
        const status = JSON.parse(await ask(host, "/control/status"));
        expect(status).toMatchObject({
          sharing: "alone",
          whyAlone: expect.stringContaining(clash),
        });
      }
      for (const { process } of [first, twin]) expect(process.output).toContain(clash);
      await twin.process.stop();
      await until("it is forgotten", async () => (await ask("127.0.0.1", "/readyz")) === "OK");
      // One that is started again is nobody else.
      await first.restart("SIGKILL");
      expect(await ask("127.0.0.1", "/readyz")).toBe("OK");
      await until("it shares", async () =>
        /^dragonfly_supernode_state_shared 1$/m.test(await ask("127.0.0.1", "/metrics")),
      );
      expect(first.process.output).not.toContain(clash);
      await stop([first]);
    });
  },
);

async function stop(programs: readonly Pick<Supernode, "process">[]): Promise<void> {
  await Promise.all(programs.map(({ process }) => process.stop("SIGKILL")));
}
