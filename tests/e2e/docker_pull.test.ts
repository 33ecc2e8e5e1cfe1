import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseSamples, parseSelector, sumOf } from "../../monitoring/metric_samples.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { DockerHost } from "../support/docker.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { runWell } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { type Egress, REGISTRY_NAME, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { startSupernode } from "../support/supernode.ts";

/** Where dfdaemon has the bytes from that it hands out. */
const ORIGINS = ["peer", "supernode", "registry", "cache"];

describeWithPrograms(
  "docker, set up by dfctl",
  {
    programs: ["dockerd", "docker", "docker-registry", "skopeo", "unshare"],
    root: true,
    namespaces: true,
  },
  () => {
    const repository = "team/app";
    let scratch: Scratch;
    let registry: Registry;
    let made: Image;
    let authority: Authority;
    let client: HttpClient;
    /** Docker reaches the first one's dfdaemon in the clear, the second one's by TLS. */
    let nodes: { host: DockerHost; dfdaemon: Dfdaemon }[];

    beforeAll(async () => {
      scratch = await Scratch.open("docker-pull");
      registry = await Registry.start(scratch, { authenticated: true });
      made = await createImage(scratch, "app", [MB, 12 * MB]);
      await registry.push(made, repository);
      authority = await Authority.create(scratch, "nodes");
      const { node } = await startSupernode(scratch, { cdnPattern: "source", registry });
      client = new HttpClient();
      scratch.defer(() => client.close());
      nodes = await Promise.all(
        (["http", "https"] as const).map(async (scheme) => {
          const supernodes = [node];
          const dfdaemon = await Dfdaemon.start(scratch, {
            ...{ supernodes, registry, authority, scheme },
          });
          const host = await DockerHost.create(scratch, `host-${scheme}`);
          const { cert } = dfdaemon.identity;
          await host.put(cert, await readFile(cert, "utf8"));
          // The operator's own: who goes to the registry itself trusts it by this.
          const own = `etc/docker/certs.d/${registry.host}/ca.crt`;
          await host.put(own, registry.authority.files.pair.cert);
          if (scheme === "https")
            await host.put("etc/ssl/certs/ca-certificates.crt", authority.files.pair.cert);
          return { host, dfdaemon };
        }),
      );
    });
    afterAll(() => scratch?.close());

    type Node = (typeof nodes)[number];
    const dfctlSetup = ({ host, dfdaemon }: Node, ...flags: string[]) => {
      const config = join(dfdaemon.home, `dfdaemon-${dfdaemon.port}.yml`);
      const command = [...ourProgram("dfctl"), "--config", config, "setup", "docker", "--yes"];
      return runWell(scratch, [...command, "--root", host.root, ...flags]);
    };
    const image = () => `${registry.host}/${repository}:latest`;
    const bytes = async ({ dfdaemon }: Node, origin: string) => {
      const tls = { ca: [authority.files.pair.cert] };
      const { text } = await client.text(`${dfdaemon.url}/metrics`, { tls });
      const selector = parseSelector(`dragonfly_dfdaemon_bytes_total{origin="${origin}"}`);
      return sumOf(parseSamples(text), selector) ?? 0;
    };
    const pull = async ({ host }: Node) => {
      const pulled = await host.docker("pull", image());
      expect(pulled, pulled.output).toMatchObject({ code: 0 });
      const inspected = await host.docker("image", "inspect", image());
      expect(JSON.parse(inspected.stdout.toString())).toMatchObject([
        {
          Id: made.configDigest,
          RepoDigests: [`${registry.host}/${repository}@${made.manifestDigest}`],
        },
      ]);
    };
    const expectSentOnce = async (egress: Egress) => {
      for (const layer of made.layers) {
        const sent = await egress.of(layer);
        expect(sent).toBeGreaterThanOrEqual(layer.size);
        expect(sent).toBeLessThanOrEqual(aboutOnce(layer.size));
      }
    };

    it("pulls a private image by dfdaemon, cold and then from the other node: the registry sends it once", async () => {
      const egress = await registry.egress();
      for (const node of nodes) {
        await dfctlSetup(node);
        // No resolver knows the registry's name: there is no way but dfdaemon.
        await node.host.restart();
        const refused = await node.host.docker("pull", image());
        expect(refused.code).not.toBe(0);
        expect(refused.output).toContain("no basic auth credentials");
        await node.host.logIn(registry.host);
        await pull(node);
      }
      await expectSentOnce(egress);
      const size = made.layers.reduce((sum, layer) => sum + layer.size, 0);
      expect(await bytes(nodes[1]!, "peer")).toBeGreaterThanOrEqual(0.9 * size);
    });

    it("goes to the registry itself once that is taken back", async () => {
      const node = nodes[0]!;
      const { host } = node;
      await dfctlSetup(node, "--undo");
      await host.knows({ [REGISTRY_NAME]: registry.address });
      await host.restart();
      const removed = await host.docker("image", "rm", image());
      expect(removed, removed.output).toMatchObject({ code: 0 });
      const before = await Promise.all(ORIGINS.map((origin) => bytes(node, origin)));
      const egress = await registry.egress();
      await pull(node);
      await expectSentOnce(egress);
      expect(await Promise.all(ORIGINS.map((origin) => bytes(node, origin)))).toEqual(before);
    });
  },
);
