import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { taskId } from "../../protocol/task_id.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { filesBelow, filesThatHold } from "../support/files_below.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { ACCOUNT, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { Stranger } from "../support/stranger.ts";
import type { CdnPattern } from "../support/supernode.ts";

const BASIC = Buffer.from(`${ACCOUNT.user}:${ACCOUNT.password}`).toString("base64");
const WRONG = Buffer.from(`${ACCOUNT.user}:wrong`).toString("base64");

itKeepsPrivate("a registry that wants credentials", true, ["local", "source"]);
itKeepsPrivate("a registry behind an nginx that wants credentials", "by nginx", ["local"]);

function itKeepsPrivate(
  name: string,
  authenticated: true | "by nginx",
  patterns: readonly CdnPattern[],
): void {
  const programs = ["skopeo", "docker-registry"] as const;
  const needs = authenticated === true ? programs : ([...programs, "nginx"] as const);
  describeWithPrograms(name, { programs: needs }, () => {
    const repository = "restricted/secret";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let image: Image;
    let client: HttpClient;

    beforeAll(async () => {
      scratch = await Scratch.open(name.replaceAll(" ", "-"));
      registry = await Registry.start(scratch, { authenticated });
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "secret", [MB, 12 * MB]);
      await registry.push(image, repository);
      client = new HttpClient();
      scratch.defer(() => client.close());
    });
    afterAll(() => scratch?.close());

    describe.each(patterns)("CDN pattern %s", (cdnPattern) => {
      let cluster: Cluster;

      beforeAll(async () => {
        cluster = await startCluster(scratch, {
          nodes: 3,
          cdnPattern,
          registry,
          authority,
          scheme: "https",
        });
      });
      afterAll(() => cluster?.stop());

      const pull = (node: number, into: string, login: boolean) =>
        startSkopeoPull(scratch, {
          registry,
          repository,
          into,
          proxy: cluster.nodes[node]!.url,
          trust: authority.directory,
          login,
        });
      /** Asks a node, as the registry's mirror. */
      const ask = async (node: number, path: string, basic?: string) => {
        const response = await client.request(cluster.nodes[node]!.url + path, {
          headers: basic ? { Authorization: `Basic ${basic}` } : {},
          tls: { ca: [authority.files.pair.cert] },
        });
        response.body.destroy();
        return response;
      };
      const blob = () => `/v2/${repository}/blobs/${image.layers[1]!.digest}`;

      it("says 401 to a client without credentials", async () => {
        const pulled = await pull(0, `${scratch.dir}/${cdnPattern}-refused`, false).finished();
        expect(pulled.code).not.toBe(0);
        expect(pulled.output).toMatch(/unauthorized|authentication required/);

        for (const path of ["/v2/", `/v2/${repository}/manifests/latest`, blob()]) {
          const answer = await ask(0, path);
          expect(answer.status).toBe(401);
          expect(answer.headers["www-authenticate"]).toMatch(/^Basic realm="test"/);
        }
      });

      it("gives the image to clients with credentials, each layer once", async () => {
        const egress = await registry.egress();
        await Promise.all(
          [0, 1].map(async (node) => {
            const into = `${scratch.dir}/${cdnPattern}-${node}`;
            await expectImage(pull(node, into, true), into, image);
          }),
        );
        for (const layer of image.layers) {
          expect(await egress.of(layer)).toBeLessThanOrEqual(aboutOnce(layer.size));
        }
      });

      it("gives a layer that nodes hold to nobody without the right credentials", async () => {
        expect((await ask(0, blob(), BASIC)).status).toBe(200);
        // The first node has it in its cache, the last could have it from the others.
        for (const node of [0, 2]) {
          expect((await ask(node, blob())).status).toBe(401);
          expect((await ask(node, blob(), WRONG)).status).toBe(401);
        }
      });

      it("gives one who knows task, URL and ports, but no secret, not one byte", async () => {
        const layer = image.layers[1]!;
        const stranger = new Stranger({ client, cluster, registry, repository, layer });
        // v1's refusal of a registration is 500, by which its clients go to the source.
        for (const headers of [[], [`Authorization:Basic ${WRONG}`]]) {
          const answer = await stranger.register(headers);
          expect(answer.status).toBe(500);
          expect(answer.text).toContain("authentication required");
        }
        // Nor does it help that the supernode cannot ask the registry in its name.
        expect((await stranger.register([], false)).status).toBe(500);
        await stranger.expectNotOneByte();
        // With the right ones the supernode takes the same client in.
        expect((await stranger.register([`Authorization:Basic ${BASIC}`])).status).toBe(200);
      });

      it("tells the names of its files, which are keys, in no log", async () => {
        const logs = [cluster.supernode, ...cluster.nodes].map(({ home }) => home);
        const names = await Promise.all(
          cluster.nodes.map(async ({ home }) => (await filesBelow(home)).join("\n")),
        );
        const words = names.flatMap((text) => text.match(/(?<=-)[0-9a-f]{32}(?=-)/g) ?? []);
        expect(words.length).toBeGreaterThan(0);
        const told = (await filesThatHold(logs, words)).filter((path) => path.endsWith(".log"));
        expect(told).toEqual([]);
      });

      it("finds its credentials in no file, output, metric or answer of ours", async () => {
        const secrets = [ACCOUNT.password, BASIC];
        const { supernode, nodes } = cluster;
        const homes = [supernode.home, ...nodes.map(({ home }) => home)];
        expect(await filesThatHold(homes, ["dragonfly"]), "the search finds logs").not.toEqual([]);
        expect(await filesThatHold(homes, secrets)).toEqual([]);
        for (const program of [supernode, ...nodes]) {
          for (const secret of secrets) expect(program.process.output).not.toContain(secret);
        }

        const api = `http://${supernode.node}`;
        const task = taskId({ taskUrl: `https://${registry.host}${blob()}` });
        const urls = [
          `${api}/metrics`,
          `${api}/api/v1/peers`,
          `${api}/api/v1/tasks/${task}`,
          ...nodes.flatMap(({ url }) => [`${url}/metrics`, `${url}/args`, `${url}/env`]),
        ];
        for (const url of urls) {
          const answer = await client.text(url, { tls: { ca: [authority.files.pair.cert] } });
          expect(answer.status, url).toBe(200);
          for (const secret of secrets) expect(answer.text, url).not.toContain(secret);
        }
      });
    });
  });
}
