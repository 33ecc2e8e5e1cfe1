import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import type { Finding } from "../../control/doctor/check.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { createImage } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { RunningProgram, run, runWell, until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";

/** What `dfctl doctor` says of a node; `before` is what it is started by. */
async function doctor(scratch: Scratch, config: string, before: string[] = [], ...args: string[]) {
  const command = [...before, ...ourProgram("dfctl"), "--config", config, "--json", "doctor"];
  const { stdout } = await run(scratch, [...command, ...args]);
  const { findings } = JSON.parse(stdout.toString()) as { findings: Finding[] };
  return (name: string) => findings.find((one) => one.name.startsWith(name));
}

async function writeInto(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

describeWithPrograms(
  "dfctl doctor, of a pull that goes wrong and of a home that cannot be used",
  { programs: ["docker-registry", "skopeo"], root: true },
  () => {
    const repository = "library/tried";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let cluster: Cluster;
    let node: Dfdaemon;
    let variants = 0;

    beforeAll(async () => {
      scratch = await Scratch.open("dfctl-doctor-faults");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes", 60);
      await registry.push(await createImage(scratch, "tried", [1000]), repository);
      cluster = await startCluster(scratch, { nodes: 1, cdnPattern: "local", registry, authority });
      node = cluster.nodes[0]!;
    });
    afterAll(() => scratch?.close());

    const ownConfig = () => join(node.home, `dfdaemon-${node.port}.yml`);
    const examine = async (changes: Record<string, unknown> = {}, ...args: string[]) => {
      const changed = { ...parse(await readFile(ownConfig(), "utf8")), ...changes };
      variants += 1;
      const file = join(scratch.dir, `dfdaemon-${variants}.yml`);
      await writeFile(file, stringify(changed));
      return doctor(scratch, file, [], ...args);
    };

    it("the registry's copy is spoilt: dfdaemon does not hand it on, and its log is named", async () => {
      const spoilt = await createImage(scratch, "spoilt", [1000]);
      await registry.push(spoilt, "library/spoilt");
      const [, hex] = spoilt.configDigest.split(":");
      const blob = `docker/registry/v2/blobs/sha256/${hex!.slice(0, 2)}/${hex}/data`;
      const file = await open(join(registry.storage, blob), "r+");
      await file.write("spoilt");
      await file.close();
      const of = await examine({}, "--image", `${registry.host}/library/spoilt`);
      expect(of("pull")).toMatchObject({
        state: "fail",
        says: expect.stringMatching(/^through dfdaemon: /),
        todo: expect.stringContaining("dfdaemon's log"),
      });
    });

    it("other bytes than the registry's: what to keep for a report", async () => {
      // Ours gives none: this one stands for a dfdaemon with a fault in it.
      const liar = createServer((request, response) => {
        const isVersion = request.url === "/debug/version";
        response.end(isVersion ? '{"Version":"0.1.0"}' : "something else");
      });
      await new Promise<void>((resolve) => liar.listen(0, node.address, resolve));
      scratch.defer(() => liar.close());
      const of = await examine(
        { port: (liar.address() as AddressInfo).port },
        ...["--image", `${registry.host}/${repository}`],
      );
      expect(of("pull")).toMatchObject({
        state: "fail",
        says: expect.stringContaining("dfdaemon gives other bytes than the registry"),
        todo: expect.stringContaining("keep its cache directory"),
      });
    });

    it("a program that takes connections and says nothing is not taken for another's", async () => {
      const silent = createServer(() => {});
      await new Promise<void>((resolve) => silent.listen(0, node.address, resolve));
      scratch.defer(() => silent.close());
      scratch.defer(() => silent.closeAllConnections());
      const { port } = silent.address() as AddressInfo;
      const of = await examine({ port });
      expect(of(`port ${port}`)).toMatchObject({
        state: "fail",
        says: expect.stringContaining("no answer within 3 s"),
      });
    });

    it("a file where the home should be; a disk that holds no more files", async () => {
      const file = join(scratch.dir, "a-file");
      await writeFile(file, "");
      expect((await examine({ workHome: file }))("disk")).toMatchObject({
        state: "fail",
        says: expect.stringContaining(`${file} is a file, not a directory`),
        todo: expect.stringContaining("--home"),
      });
      const few = await scratch.directory("few");
      await runWell(scratch, ["mount", "-t", "tmpfs", "-o", "nr_inodes=64", "tmpfs", few]);
      scratch.defer(() => runWell(scratch, ["umount", few]));
      const findings = await examine({ workHome: few });
      expect(findings("disk: files")).toMatchObject({
        state: "fail",
        says: expect.stringMatching(/^\d+ more can be made for /),
      });
    });

    it("a cache that cannot be written: said at once, pulls go straight, and by p2p when that is mended", async () => {
      const home = await scratch.directory("read-only");
      await runWell(scratch, ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", home]);
      scratch.defer(() => runWell(scratch, ["umount", "--lazy", home]));
      const supernodes = [cluster.supernode.node];
      const other = await Dfdaemon.start(scratch, {
        ...{ supernodes, registry, authority, dfgetFlags: ["--home", home] },
      });
      const client = new HttpClient();
      scratch.defer(() => client.close());
      const ask = (path: string) => client.text(other.url + path);
      const config = join(other.home, `dfdaemon-${other.port}.yml`);
      const examined = () =>
        doctor(scratch, config, [], "--image", `${registry.host}/${repository}`);
      const says = `nothing can be written in ${home}/data: the disk is read-only`;
      await other.process.until("it says so", () => other.process.stderr.includes(says));
      expect(await ask("/readyz")).toMatchObject({
        status: 503,
        text: expect.stringContaining(says),
      });
      expect((await ask("/metrics")).text).toContain("\ndragonfly_dfdaemon_ready 0\n");
      const ill = await examined();
      expect(ill(`port ${other.port}`)).toMatchObject({
        state: "fail",
        says: expect.stringContaining(says),
      });
      expect(ill("pull")).toMatchObject({
        says: expect.stringMatching(/^right, but .*open_failed/),
      });
      await runWell(scratch, ["mount", "-o", "remount,rw", home]);
      await until("it is ready", async () => (await ask("/readyz")).status === 200);
      expect((await ask("/metrics")).text).toContain("\ndragonfly_dfdaemon_ready 1\n");
      expect((await examined())("pull")).toMatchObject({ state: "ok" });
      await other.process.stop();
    });

    it("no supernode takes it in: right, but straight; and nothing at all without dfdaemon", async () => {
      await cluster.supernode.process.stop();
      const alone = await examine({}, "--image", `${registry.host}/${repository}`);
      expect(alone("supernode")).toMatchObject({ state: "fail" });
      expect(alone("pull")).toMatchObject({
        state: "warn",
        says: "right, but it came straight from the registry (open_failed)",
      });
      const spoilt = await examine({}, "--image", `${registry.host}/library/spoilt`);
      expect(spoilt("pull")).toMatchObject({
        state: "fail",
        says: expect.stringContaining("the registry's copy is not what its digest says"),
      });
      const proxied = await scratch.directory("proxied");
      const dropIn = join(proxied, "etc/systemd/system/docker.service.d/dragonfly.conf");
      await writeInto(dropIn, `[Service]\nEnvironment=HTTPS_PROXY=${node.url}\n`);
      await writeInto(join(proxied, "usr/sbin/dockerd"), "");
      const mirror = `[[registry.mirror]]\nlocation = "${new URL(node.url).host}"\n`;
      await writeInto(join(proxied, "etc/containers/registries.conf"), mirror);
      await writeInto(join(proxied, "usr/bin/podman"), "");
      const there = ["--image", `${registry.host}/${repository}`, "--root", proxied];
      expect((await examine({}, ...there))("docker")).toMatchObject({ state: "ok" });
      await node.process.stop();
      const down = await examine({}, ...there);
      expect(down("pull")).toMatchObject({
        state: "fail",
        says: expect.stringMatching(/^through dfdaemon: .*ECONNREFUSED/),
      });
      expect(down("docker")).toMatchObject({
        state: "fail",
        says: expect.stringContaining("cannot pull: dfdaemon is its proxy"),
        todo: expect.stringContaining("dfctl setup docker --undo"),
      });
      expect(down("podman")).toMatchObject({ state: "ok" });
    });
  },
);

describeWithPrograms(
  "dfctl doctor, of a peer port on a host with other addresses than loopback",
  { programs: ["unshare", "ip"], root: true, namespaces: true },
  () => {
    let scratch: Scratch;
    let inside: string[];

    beforeAll(async () => {
      scratch = await Scratch.open("dfctl-doctor-address");
      const addresses = "ip address add 10.64.0.11/32 dev lo; ip address add 10.64.0.12/32 dev lo";
      const host = RunningProgram.start(scratch, [
        ...["unshare", "--net", "sh", "-ec"],
        `ip link set lo up; ${addresses}; echo ready; exec sleep infinity`,
      ]);
      await host.until("it has addresses", () => host.stdout.includes("ready"));
      inside = ["nsenter", "--target", String(host.pid), "--net"];
      const home = await scratch.directory("supernode");
      const config = join(scratch.dir, "supernode.yml");
      const base = { listenPort: 8002, downloadPort: 8002, cdnPattern: "source", homeDir: home };
      await writeFile(config, stringify({ base }));
      RunningProgram.start(scratch, [...inside, ...ourProgram("supernode"), "--config", config]);
    });
    afterAll(() => scratch?.close());

    /** What is said of the port of a node that tells others this address. */
    async function peerPort(announced: string, supernode = "10.64.0.11:8002"): Promise<Finding> {
      const home = join(scratch.dir, announced);
      await mkdir(home, { recursive: true });
      const config = join(home, "dfdaemon.yml");
      await writeFile(
        config,
        stringify({
          supernodes: [supernode],
          // Nobody is asked for anything.
          registry_mirror: { remote: "http://10.64.0.11:1" },
          dfget_flags: ["--ip", announced, "--port", "15001"],
          workHome: home,
        }),
      );
      const dfdaemon = RunningProgram.start(scratch, [
        ...[...inside, ...ourProgram("dfdaemon"), "--config", config],
      ]);
      let found: Finding | undefined;
      await until("the supernode reaches it", async () => {
        found = (await doctor(scratch, config, inside))("peer port 15001");
        return found !== undefined && found.state !== "fail";
      });
      await dfdaemon.stop();
      return found!;
    }

    it("is well where the supernode sees the address that others are told", async () => {
      expect(await peerPort("10.64.0.12")).toMatchObject({
        state: "ok",
        says: "10.64.0.11:8002 reaches it at 10.64.0.12",
      });
    });

    it("is looked for where it is: dfdaemon has chosen another address, as no supernode was there when it began", async () => {
      const home = await scratch.directory("early");
      const config = join(home, "dfdaemon.yml");
      await writeFile(
        config,
        stringify({
          supernodes: ["10.64.0.12:18003"],
          registry_mirror: { remote: "http://10.64.0.11:1" },
          dfget_flags: ["--port", "15003"],
          workHome: home,
        }),
      );
      const dfdaemon = RunningProgram.start(scratch, [
        ...[...inside, ...ourProgram("dfdaemon"), "--config", config],
      ]);
      await dfdaemon.until("it serves", () => /peer server on \S+:15003/.test(dfdaemon.stderr));
      // Not the one by which the supernode is reached later.
      expect(dfdaemon.stderr).not.toContain("on 10.64.0.12:15003");
      const listener = RunningProgram.start(scratch, [
        ...[...inside, "node", "-e"],
        'net.createServer((socket) => socket.destroy()).listen(18003, "10.64.0.12", () => console.log("listens"))',
      ]);
      await listener.until("it listens", () => listener.stdout.includes("listens"));
      await dfdaemon.until("it listens", () => dfdaemon.stderr.includes("listening on"));
      const found = (await doctor(scratch, config, inside))("port 15003");
      expect(found).toMatchObject({ state: "ok", says: "the peer server answers" });
      await dfdaemon.stop();
    });

    it("says both where these differ, as behind a NAT", async () => {
      // What translates addresses: both ways lead by 10.64.0.11, which nobody else is told of.
      const forward = (port: number, to: string) => `
        net.createServer((from) => {
          const onward = net.connect(...${to}).on("error", () => from.destroy());
          from.on("error", () => onward.destroy()).pipe(onward).pipe(from);
        }).listen(${port}, "10.64.0.11");`;
      const gate = forward(18002, '[8002, "10.64.0.11"]') + forward(15001, '[15001, "10.64.0.12"]');
      RunningProgram.start(scratch, [...inside, "node", "-e", gate]);
      expect(await peerPort("10.64.0.12", "10.64.0.11:18002")).toMatchObject({
        state: "warn",
        says: "10.64.0.11:18002 reaches it at 10.64.0.11, but other nodes are told 10.64.0.12",
        todo: expect.stringContaining("--ip"),
      });
    });
  },
);
