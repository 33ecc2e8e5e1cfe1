import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { HttpClient } from "../../runtime/http_client.ts";
import { signatureOf } from "../../runtime/links/signature.ts";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { startCluster } from "../support/cluster.ts";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { sharedSecret } from "../support/links.ts";
import { until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { Source } from "../support/source.ts";
import type { CdnPattern } from "../support/supernode.ts";

describeWithPrograms(
  "a cluster whose programs share a secret",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    const repository = "library/private";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let image: Image;
    let client: HttpClient;

    beforeAll(async () => {
      scratch = await Scratch.open("shared-secret");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "clients");
      image = await createImage(scratch, "private", [MB, 24 * MB]);
      await registry.push(image, repository);
      client = new HttpClient();
      scratch.defer(() => client.close());
    });
    afterAll(() => scratch?.close());

    it.each<CdnPattern>(["local", "source"])(
      "pulls with CDN pattern %s; strangers hear why they get nothing",
      async (cdnPattern) => {
        const { secret, keys } = sharedSecret(scratch);
        const options = { nodes: 2, cdnPattern, registry, authority, keys };
        const { supernode, nodes, stop } = await startCluster(scratch, options);
        const egress = await registry.egress();
        await Promise.all(
          nodes.map(async ({ url: proxy }, index) => {
            const into = `${scratch.dir}/${cdnPattern}-${index}`;
            const trust = authority.directory;
            const pull = startSkopeoPull(scratch, { registry, repository, into, proxy, trust });
            await expectImage(pull, into, image);
          }),
        );
        for (const layer of image.layers) {
          expect(await egress.of(layer)).toBeLessThanOrEqual(aboutOnce(layer.size));
        }

        const { base } = parse(await readFile(join(supernode.home, "supernode.yml"), "utf8"));
        const asked: [string, string][] = [
          [`http://${supernode.node}`, "/peer/task"],
          [`http://${supernode.node}`, "/api/v1/peers"],
          [`http://${supernode.address}:${base.downloadPort}`, "/download/000/0"],
          ...nodes.map(({ address, peerPort }): [string, string] => [
            `http://${address}:${peerPort}`,
            "/peer/file/x",
          ]),
        ];
        const nonce = () => randomBytes(12).toString("base64url");
        const ask = async ([origin, target]: [string, string], by: string, atMs: number) => {
          const signed = signatureOf(
            by,
            { method: "GET", target },
            { nowMs: atMs, nonce: nonce() },
          );
          const headers = { "x-dragonfly-signature": signed };
          return client.text(origin + target, { headers });
        };
        for (const one of asked) {
          const bare = await client.text(one.join(""));
          expect(bare).toMatchObject({ status: 401, text: expect.stringContaining("not signed") });
          const wrong = await ask(one, randomBytes(32).toString("hex"), Date.now());
          expect(wrong).toMatchObject({
            status: 401,
            text: expect.stringContaining("another secret"),
          });
          const old = await ask(one, secret, Date.now() - 300_000);
          expect(old).toMatchObject({ status: 401, text: expect.stringContaining("both clocks") });
          expect((await ask(one, secret, Date.now())).status).not.toBe(401);
        }
        // A body that somebody put in the place of the one that was signed.
        const target = "/swarm/heartbeat";
        const request = { method: "POST", target };
        const signature = signatureOf(secret, request, {
          body: "{}",
          nowMs: Date.now(),
          nonce: nonce(),
        });
        const forged = await client.text(`http://${supernode.node}${target}`, {
          method: "POST",
          body: '{"version":1,"tasks":[]}',
          headers: { "x-dragonfly-signature": signature },
        });
        expect(forged).toMatchObject({ status: 400, text: expect.stringContaining("was signed") });

        const said = [supernode, ...nodes].map(({ process }) => process.output).join("\n");
        expect(said).toContain("was refused: the request is not signed");
        expect(said).not.toContain(secret);
        await stop();
      },
    );

    it("dfget takes part by its dfget.yml; with another secret it goes to the source, and its log says why", async () => {
      const { keys } = sharedSecret(scratch);
      const options = { nodes: 1, cdnPattern: "source", registry, authority, keys } as const;
      const { supernode, nodes, stop } = await startCluster(scratch, options);
      const file = (await Source.start(scratch)).add("file", 9 * MB);
      const dfget = async (name: string, more: Record<string, unknown>, ...flags: string[]) => {
        const config = join(scratch.dir, `${name}.yml`);
        await writeFile(config, stringify({ nodes: [supernode.node], ...more }));
        const host = await dfgetHost(scratch);
        const output = join(scratch.dir, name);
        const args = ["--config", config, "-u", file.url, "-o", output, ...flags];
        const finished = await startDfget(scratch, host, args).finished();
        expect(finished, finished.output).toMatchObject({ code: 0 });
        expect(file.content.equals(await readFile(output))).toBe(true);
        return { finished, host };
      };
      for (const name of ["first", "second"]) {
        const { finished } = await dfget(name, await keys(), "--notbs");
        expect(finished.output).toContain("reason:0");
      }
      expect(file.sent()).toBeLessThan(1.1 * file.content.byteLength);

      const { host } = await dfget("other", await sharedSecret(scratch).keys());
      const log = await readFile(join(host.home, "logs", "dfclient.log"), "utf8");
      expect(log).toContain("the request is signed by another secret: is secretFile the same?");

      const [node] = nodes;
      const configured = join(node!.home, `dfdaemon-${node!.port}.yml`);
      const { secretFile } = parse(await readFile(configured, "utf8"));
      await writeFile(secretFile, "too short\n");
      const refused = `secretFile not taken, the old one stays: secretFile: ${secretFile}: expected`;
      await until("it is refused", () => node!.process.stderr.includes(refused));
      await stop();
    });
  },
);
