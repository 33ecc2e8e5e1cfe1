import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { HttpClient } from "../../runtime/http_client.ts";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { Members, shownSerial } from "../support/links.ts";
import { ourProgram } from "../support/our_programs.ts";
import { run, until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { Source } from "../support/source.ts";
import { type CdnPattern, startSupernode } from "../support/supernode.ts";

/** Where the programs of a cluster serve each other. */
async function ports({ supernode, nodes }: Cluster): Promise<{ host: string; port: number }[]> {
  const { base } = parse(await readFile(join(supernode.home, "supernode.yml"), "utf8"));
  return [
    { host: supernode.address, port: supernode.port },
    { host: supernode.address, port: base.downloadPort },
    ...nodes.map(({ address, peerPort }) => ({ host: address, port: peerPort })),
  ];
}

describeWithPrograms(
  "a cluster whose programs show each other certificates",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    const repository = "library/private";
    let scratch: Scratch;
    let registry: Registry;
    let clients: Authority;
    let programs: Authority;
    let strangers: Authority;
    let image: Image;

    beforeAll(async () => {
      scratch = await Scratch.open("mutual-tls");
      registry = await Registry.start(scratch);
      clients = await Authority.create(scratch, "clients");
      programs = await Authority.create(scratch, "programs");
      strangers = await Authority.create(scratch, "strangers");
      image = await createImage(scratch, "private", [MB, 24 * MB]);
      await registry.push(image, repository);
    });
    afterAll(() => scratch?.close());

    const pull = (proxy: string, into: string) => {
      const trust = clients.directory;
      return startSkopeoPull(scratch, { registry, repository, into, proxy, trust });
    };

    it.each<CdnPattern>(["local", "source"])(
      "pulls with CDN pattern %s, and gives nothing to strangers",
      async (cdnPattern) => {
        const { keys } = new Members(scratch, programs);
        const authority = clients;
        const options = { nodes: 2, cdnPattern, registry, authority, keys };
        const cluster = await startCluster(scratch, options);
        const egress = await registry.egress();
        await Promise.all(
          cluster.nodes.map(async ({ url }, index) => {
            const into = `${scratch.dir}/${cdnPattern}-${index}`;
            await expectImage(pull(url, into), into, image);
          }),
        );
        for (const layer of image.layers) {
          expect(await egress.of(layer)).toBeLessThanOrEqual(aboutOnce(layer.size));
        }

        const stranger = await strangers.member("node.test");
        const member = await programs.member("node.test");
        const client = new HttpClient();
        scratch.defer(() => client.close());
        for (const place of await ports(cluster)) {
          expect(await shownSerial(place, member)).toMatch(/^[0-9A-F]+$/);
          await expect(shownSerial(place)).rejects.toThrow();
          await expect(shownSerial(place, stranger)).rejects.toThrow();
          await expect(client.text(`http://${place.host}:${place.port}/metrics`)).rejects.toThrow();
        }
        await cluster.stop();
      },
    );

    it("takes renewed certificates in the middle of a pull, and refuses those that are no good", async () => {
      const members = new Members(scratch, programs);
      const { keys } = members;
      const cluster = await startCluster(scratch, {
        nodes: 2,
        cdnPattern: "source",
        registry,
        authority: clients,
        rateLimit: "3M",
        keys,
      });
      const place = await ports(cluster);
      const member = await programs.member("node.test");
      const shown = () => Promise.all(place.map((one) => shownSerial(one, member)));
      const before = await shown();
      const pulls = cluster.nodes.map(({ url }, index) => {
        const into = `${scratch.dir}/renewed-${index}`;
        return { into, program: pull(url, into) };
      });
      const all = [...cluster.nodes, cluster.supernode].map(({ process }) => process);
      await members.renew();
      const taken = () => all.every(({ stderr }) => stderr.includes("tls certificates read again"));
      await until("all have read them", taken);
      for (const { program } of pulls) expect(program.running).toBe(true);
      const after = await shown();
      for (const serial of after) expect(before).not.toContain(serial);
      for (const { into, program } of pulls) await expectImage(program, into, image);

      const { tls } = parse(
        await readFile(
          join(cluster.nodes[0]!.home, `dfdaemon-${cluster.nodes[0]!.port}.yml`),
          "utf8",
        ),
      );
      await writeFile(tls.cert, (await strangers.member("node.test")).pair.cert);
      const refused = `tls certificates not taken, the old one stays: tls.cert: ${tls.cert} with tls.key: ${tls.key}: the key does not belong to the certificate`;
      await until("it is refused", () => cluster.nodes[0]!.process.stderr.includes(refused));
      expect(await shown()).toEqual(after);
      await cluster.stop();
    });
  },
);

describe("beside the nodes", () => {
  let scratch: Scratch;
  let programs: Authority;
  beforeAll(async () => {
    scratch = await Scratch.open("mutual-tls-dfget");
    programs = await Authority.create(scratch, "programs");
  });
  afterAll(() => scratch?.close());

  it("dfget and its peer server take part by their dfget.yml, dfctl by dfdaemon.yml, check_dragonfly by its flags", async () => {
    const { keys } = new Members(scratch, programs);
    const supernode = await startSupernode(scratch, { cdnPattern: "source", base: await keys() });
    const source = await Source.start(scratch);
    const file = source.add("file", 9 * MB);
    const config = join(scratch.dir, "dfget.yml");
    await writeFile(config, stringify({ nodes: [supernode.node], ...(await keys()) }));
    for (const name of ["first", "second"]) {
      const output = join(scratch.dir, name);
      const args = ["--config", config, "-u", file.url, "-o", output, "--notbs"];
      const finished = await startDfget(scratch, await dfgetHost(scratch), args).finished();
      expect(finished, finished.output).toMatchObject({ code: 0 });
      expect(finished.output).toContain("reason:0");
      expect(file.content.equals(await readFile(output))).toBe(true);
    }
    // The second had it from the first one's peer server.
    expect(file.sent()).toBeLessThan(1.1 * 9 * MB);

    const { tls } = await keys();
    const check = async (...flags: string[]) => {
      const program = [...ourProgram("check_dragonfly"), "supernode", "-H", supernode.address];
      return run(scratch, [...program, "-p", String(supernode.port), ...flags]);
    };
    const flags = ["--cert", tls.cert, "--key", tls.key, "--ca-file", tls.ca];
    const good = await check(
      ...flags,
      "--certificate-warning",
      "0:",
      "--certificate-critical",
      "0:",
    );
    expect(good.output).toMatch(/SUPERNODE OK - ready, .*tls\.\w+ is good for \S+ days/);
    expect((await check()).code).toBe(2);

    const dfdaemon = join(scratch.dir, "dfdaemon.yml");
    await writeFile(dfdaemon, stringify({ supernodes: [supernode.node], tls }));
    const dfctl = (...more: string[]) => run(scratch, [...ourProgram("dfctl"), "status", ...more]);
    expect(await dfctl("--config", dfdaemon)).toMatchObject({ code: 0 });
    expect((await dfctl("--supernode", supernode.node)).code).not.toBe(0);
    expect((await check("-S", "--ca-file", tls.ca)).code).toBe(2);

    // Who does not belong goes to the source by himself, and hears why.
    const host = await dfgetHost(scratch);
    const args = ["--node", supernode.node, "-u", file.url, "-o", join(scratch.dir, "alone")];
    const alone = await startDfget(scratch, host, args).finished();
    expect(alone, alone.output).toMatchObject({ code: 0 });
    expect(alone.output).toMatch(/reason:[18]/);
  });
});
