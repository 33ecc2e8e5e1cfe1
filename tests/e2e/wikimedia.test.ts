import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { HttpClient } from "../../runtime/http_client.ts";
import { aboutOnce } from "../support/about_once.ts";
import { freePort, freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { bytesOnDisk, filesBelow } from "../support/files_below.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { accepts, RunningProgram } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { hostAliases, REGISTRY_NAME, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { Source } from "../support/source.ts";

const FIXTURES = resolve(import.meta.dirname, "../fixtures/wikimedia");

/** A fixture with other paths and addresses; each of them must occur in it. */
async function substituted(name: string, replacements: Record<string, string>): Promise<string> {
  let text = await readFile(join(FIXTURES, name), "utf8");
  for (const [from, to] of Object.entries(replacements)) {
    if (!text.includes(from)) throw new Error(`${name} does not hold ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

describeWithPrograms(
  "the configuration of Wikimedia's production",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    const repository = "wikimedia/mediawiki";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let image: Image;
    let supernode: { address: string; port: number };

    beforeAll(async () => {
      scratch = await Scratch.open("wikimedia");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "mediawiki", [MB, 30 * MB]);
      await registry.push(image, repository);
      supernode = await startSupernode();
    });
    afterAll(() => scratch?.close());

    /** The key that stands for the network's resolver. */
    const resolver = () =>
      stringify(hostAliases(registry), { collectionStyle: "flow" }).trim().slice(1, -1).trim();

    async function startSupernode() {
      const address = freshAddress();
      const port = await freePort("0.0.0.0");
      const home = await scratch.directory("supernode");
      const config = join(home, "supernode.yml");
      const text = await substituted("supernode.yml", { "8002": String(port) });
      await writeFile(config, `${text.trimEnd()}\n  ${resolver()}\n`);
      const process = RunningProgram.start(scratch, [
        ...ourProgram("supernode"),
        ...["--config", config, "--home-dir", home, "--advertise-ip", address],
      ]);
      await process.until("it listens", () => accepts(address, port));
      return { address, port };
    }

    /** A node as `dragonfly-dfdaemon` is set up on it. */
    async function startNode() {
      const address = freshAddress();
      const [port, peerPort] = [await freePort(address), await freePort(address)];
      const home = await scratch.directory(`dfdaemon-${address}`);
      const certificate = await authority.leaf(address, REGISTRY_NAME, "127.0.0.1", "localhost");
      const ssl = "/etc/dragonfly/ssl/discovery__node1001_eqiad_wmnet";
      const config = join(home, "dfdaemon.yml");
      const text = await substituted("dfdaemon.yml", {
        [`${ssl}.chained.pem`]: certificate.cert,
        [`${ssl}-key.pem`]: certificate.key,
        "/etc/ssl/certs/wmf-ca-certificates.crt": registry.authority.files.cert,
        "/var/lib/dragonfly-dfdaemon/dfget": join(home, "dfget"),
        "https://docker-registry.discovery.wmnet": `https://${registry.host}`,
        "0.0.0.0": address,
        "65001": String(port),
        "10.64.0.11": address,
        "15001": String(peerPort),
      });
      await writeFile(config, `${text.trimEnd()}\n${resolver()}\n`);
      const process = RunningProgram.start(scratch, [
        ...ourProgram("dfdaemon"),
        ...["--config", config, "--workHome", home],
        ...["--node", `${supernode.address}:${supernode.port}`],
      ]);
      await process.until("it listens", () => accepts(address, port));
      return { home, url: `https://${address}:${port}` };
    }

    it("brings an image to two nodes by TLS inside TLS, the registry sending it once", async () => {
      const nodes = await Promise.all([startNode(), startNode()]);
      const egress = await registry.egress();
      await Promise.all(
        nodes.map(async (node, index) => {
          const into = `${scratch.dir}/pulled${index}`;
          const proxy = node.url;
          const trust = authority.directory;
          const pull = startSkopeoPull(scratch, { registry, repository, into, proxy, trust });
          await expectImage(pull, into, image);
        }),
      );
      for (const layer of image.layers) {
        expect(await egress.of(layer)).toBeLessThanOrEqual(aboutOnce(layer.size));
      }

      const client = new HttpClient();
      scratch.defer(() => client.close());
      const tls = { ca: [authority.files.pair.cert] };
      for (const { home, url } of nodes) {
        // Cache and logs lie where Wikimedia's units, log rotation and monitoring expect them.
        expect(await bytesOnDisk(join(home, "dfget"))).toBeGreaterThan(30 * MB);
        expect(await filesBelow(home)).toEqual(
          expect.arrayContaining([
            join(home, "logs/dfdaemon.log"),
            join(home, "dfget/logs/dfclient.log"),
            join(home, "dfget/logs/dfserver.log"),
          ]),
        );
        const metrics = await client.text(`${url}/metrics`, { tls });
        expect(metrics.text).toContain("dragonfly_dfdaemon_build_info");
      }
      const metrics = await client.text(`http://${supernode.address}:${supernode.port}/metrics`);
      expect(metrics.text).toContain("dragonfly_supernode_build_info");
      expect(await filesBelow(`${scratch.dir}/supernode`)).toContain(
        `${scratch.dir}/supernode/logs/app.log`,
      );
    });

    it("lets dfget find the supernode by dfget.yml", async () => {
      const source = await Source.start(scratch);
      const file = source.add("package.deb", 5 * MB);
      const host = await dfgetHost(scratch);
      const config = join(host.home, "dfget.yml");
      await writeFile(
        config,
        await substituted("dfget.yml", {
          "dragonfly-supernode1001.eqiad.wmnet:8002": `${supernode.address}:${supernode.port}`,
        }),
      );
      const output = join(host.home, "package.deb");
      const args = ["--config", config, "-u", file.url, "-o", output];
      const dfget = await startDfget(scratch, host, args).finished();
      expect(dfget, dfget.output).toMatchObject({ code: 0 });
      expect(dfget.output).toContain(`connected to node:${supernode.address}`);
      expect(file.content.equals(await readFile(output))).toBe(true);
    });
  },
);
