import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import type { Dfdaemon } from "../support/dfdaemon.ts";
import { filesThatHold } from "../support/files_below.ts";
import { createImage, type Image, type Layer, MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { ACCOUNT, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { Stranger } from "../support/stranger.ts";
import type { CdnPattern } from "../support/supernode.ts";
import { TokenServer } from "../support/token_server.ts";

describeWithPrograms(
  "a registry that wants tokens",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    const repository = "restricted/secret";
    let scratch: Scratch;
    let tokens: TokenServer;
    let registry: Registry;
    let authority: Authority;
    let image: Image;
    let client: HttpClient;

    beforeAll(async () => {
      scratch = await Scratch.open("token-registry");
      tokens = await TokenServer.start(scratch, ACCOUNT);
      registry = await Registry.start(scratch, { tokens });
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "secret", [MB, 12 * MB]);
      await registry.push(image, repository);
      await registry.push(image, "elsewhere/same");
      client = new HttpClient();
      scratch.defer(() => client.close());
    });
    afterAll(() => scratch?.close());

    describe.each<CdnPattern>(["local", "source"])("CDN pattern %s", (cdnPattern) => {
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

      const blob = (layer: Layer) => `/v2/${repository}/blobs/${layer.digest}`;
      /** Asks a node, as the registry's mirror. */
      const ask = async (node: Dfdaemon | number, path: string, token?: string) => {
        const { url } = typeof node === "number" ? cluster.nodes[node]! : node;
        const response = await client.request(url + path, {
          headers: token ? { Authorization: `Bearer ${token}` } : {},
          tls: { ca: [authority.files.pair.cert] },
        });
        const hash = createHash("sha256");
        for await (const chunk of response.body as AsyncIterable<Uint8Array>) hash.update(chunk);
        return { ...response, digest: `sha256:${hash.digest("hex")}` };
      };

      it("sends a client without a token to the token server, by its own challenge", async () => {
        for (const path of ["/v2/", `/v2/${repository}/manifests/latest`, blob(image.layers[1]!)]) {
          const answer = await ask(0, path);
          expect(answer.status).toBe(401);
          expect(answer.headers["www-authenticate"]).toContain(`Bearer realm="${tokens.realm}"`);
        }
      });

      it("gives the image to clients that get tokens, each layer once", async () => {
        const egress = await registry.egress();
        await Promise.all(
          [0, 1].map(async (node) => {
            const into = `${scratch.dir}/${cdnPattern}-${node}`;
            const pull = startSkopeoPull(scratch, {
              registry,
              repository,
              into,
              proxy: cluster.nodes[node]!.url,
              trust: authority.directory,
              login: true,
            });
            await expectImage(pull, into, image);
          }),
        );
        for (const layer of image.layers) {
          expect(await egress.of(layer)).toBeLessThanOrEqual(aboutOnce(layer.size));
        }
      });

      it("lets nobody in on a token that has expired, was forged, or is for something else", async () => {
        const egress = await registry.egress();
        const layer = image.layers[1]!;
        const brief = tokens.issue(repository, ["pull"], { lifetimeS: 5 });
        const good = await ask(0, blob(layer), brief);
        expect(good).toMatchObject({ status: 200, digest: layer.digest });
        const parts = tokens.issue(repository, ["pull"]).split(".");
        const forged = `${parts[0]}.${parts[1]}.${"A".repeat(parts[2]!.length)}`;
        const other = tokens.issue("elsewhere/same", ["pull"]);
        await expect
          .poll(async () => (await ask(0, "/v2/", brief)).status, { timeout: 20_000 })
          .toBe(401);
        // The first has the layer in its cache, the last could have it from the others.
        for (const node of [0, 2]) {
          for (const token of [brief, forged, other]) {
            expect((await ask(node, blob(layer), token)).status).toBe(401);
          }
        }
        // Whoever fetches a fresh one has it from the node, as before.
        const fresh = await ask(0, blob(layer), tokens.issue(repository, ["pull"]));
        expect(fresh).toMatchObject({ status: 200, digest: layer.digest });
        expect(await egress.of(layer)).toBe(0);
      });

      it("gives one who knows task, URL and ports not one byte", async () => {
        const layer = image.layers[1]!;
        const stranger = new Stranger({ client, cluster, registry, repository, layer });
        const wrong = tokens.issue("elsewhere/same", ["pull"]);
        for (const headers of [[], [`Authorization:Bearer ${wrong}`]]) {
          const answer = await stranger.register(headers);
          expect(answer.status).toBe(500);
          expect(answer.text).toContain("authentication required");
        }
        await stranger.expectNotOneByte();
        const right = tokens.issue(repository, ["pull"]);
        expect((await stranger.register([`Authorization:Bearer ${right}`])).status).toBe(200);
      });

      it("brings a layer to its end where a token expires on the way", async () => {
        const long = await createImage(scratch, `long-${cdnPattern}`, [48 * MB]);
        await registry.push(long, repository, `long-${cdnPattern}`);
        const layer = long.layers[0]!;
        const slow = await startCluster(scratch, {
          nodes: 2,
          cdnPattern,
          registry,
          authority,
          scheme: "https",
          rateLimit: "8M",
        });
        try {
          const egress = await registry.egress();
          // Who takes some seconds for it goes on with what the others may still fetch.
          const digests = await Promise.all(
            [4, 300].map(async (lifetimeS, node) => {
              const token = tokens.issue(repository, ["pull"], { lifetimeS });
              return (await ask(slow.nodes[node]!, blob(layer), token)).digest;
            }),
          );
          expect(digests).toEqual([layer.digest, layer.digest]);
          expect(await egress.of(layer)).toBeLessThanOrEqual(aboutOnce(layer.size));
        } finally {
          await slow.stop();
        }
      });

      it("finds its tokens in no file, output, metric or answer of ours", async () => {
        const secrets = [ACCOUNT.password, ...tokens.given];
        expect(tokens.given.length).toBeGreaterThan(0);
        const { supernode, nodes } = cluster;
        const homes = [supernode.home, ...nodes.map(({ home }) => home)];
        expect(await filesThatHold(homes, secrets)).toEqual([]);
        for (const program of [supernode, ...nodes]) {
          for (const secret of secrets) expect(program.process.output).not.toContain(secret);
        }
      });
    });
  },
);
