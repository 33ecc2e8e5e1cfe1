import { readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { ourProgram } from "../support/our_programs.ts";
import { RunningProgram, runWell, until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Scratch } from "../support/scratch.ts";

const SITE = "10.78.0.1";
const FIRST = "10.78.0.11";
const SECOND = "10.78.0.12";
const SIZE = 3_000_000;

/** A host: a network of its own, with a cable to the other one. */
class Host {
  readonly pid: number;
  readonly #scratch: Scratch;
  readonly #prefix: readonly string[];

  constructor(scratch: Scratch, pid: number) {
    this.#scratch = scratch;
    this.pid = pid;
    this.#prefix = ["nsenter", "--target", String(pid), "--net"];
  }

  static async open(scratch: Scratch): Promise<Host> {
    const { pid } = RunningProgram.start(scratch, ["unshare", "--net", "sleep", "infinity"]);
    const network = (of: string | number) => readlink(`/proc/${of}/ns/net`).catch(() => "");
    const ours = await network("self");
    await until("it has a network of its own", async () => {
      const its = await network(pid);
      return its !== "" && its !== ours;
    });
    const host = new Host(scratch, pid);
    await host.run("ip", "link", "set", "lo", "up");
    return host;
  }

  start(...command: string[]): RunningProgram {
    return RunningProgram.start(this.#scratch, [...this.#prefix, ...command]);
  }

  async run(...command: string[]): Promise<string> {
    const { stdout } = await runWell(this.#scratch, [...this.#prefix, ...command]);
    return stdout.toString();
  }
}

describeWithPrograms(
  "a dfdaemon that is told no address of its own",
  { programs: ["ip", "unshare"], root: true, namespaces: true },
  () => {
    let scratch: Scratch;
    let site: Host;
    let node: Host;
    let dfdaemon: RunningProgram;
    /** URLs of two files. */
    let files: string[];

    beforeAll(async () => {
      scratch = await Scratch.open("own-address");
      [site, node] = await Promise.all([Host.open(scratch), Host.open(scratch)]);
      const other = ["peer", "name", "eth0", "netns", String(node.pid)];
      await site.run("ip", "link", "add", "eth0", "type", "veth", ...other);
      await site.run("ip", "address", "add", `${SITE}/24`, "dev", "eth0");
      await site.run("ip", "link", "set", "eth0", "up");
      const registries = ["5000", "5001"].map((port) => startRegistry(port));
      const home = await scratch.directory("supernode");
      const config = join(home, "supernode.yml");
      const base = { listenPort: 8002, downloadPort: 8002, advertiseIP: SITE };
      await writeFile(
        config,
        stringify({ base: { ...base, homeDir: home, cdnPattern: "source" } }),
      );
      const supernode = site.start(...ourProgram("supernode"), "--config", config);
      await supernode.until("it listens", () => supernode.output.includes("listens on"));
      files = await Promise.all(registries);
      dfdaemon = await startDfdaemon();
    });
    afterAll(() => scratch?.close());

    async function startRegistry(port: string): Promise<string> {
      const program = join(import.meta.dirname, "../packaging/origin.mjs");
      const registry = site.start("node", program, SITE, port, String(SIZE), `library/at-${port}`);
      await registry.until("it listens", () => registry.stdout.includes("/v2/"));
      return `http://${SITE}:${port}${registry.stdout.toString().trim()}`;
    }

    async function startDfdaemon(): Promise<RunningProgram> {
      const home = await scratch.directory("dfdaemon");
      const config = join(home, "dfdaemon.yml");
      await writeFile(
        config,
        stringify({
          ...{ hostIp: "127.0.0.1", port: 65001, workHome: home, supernodes: [`${SITE}:8002`] },
          proxies: [{ regx: "blobs/sha256.*" }],
          dfget_flags: ["--port", "15001"],
        }),
      );
      const program = node.start(...ourProgram("dfdaemon"), "--config", config);
      await program.until("it listens", () => program.output.includes("listening on http://"));
      return program;
    }

    const setAddress = async (address: string) => {
      await node.run("ip", "address", "flush", "dev", "eth0");
      await node.run("ip", "link", "set", "eth0", "up");
      await node.run("ip", "address", "add", `${address}/24`, "dev", "eth0");
    };
    const isAt = (address: string) =>
      dfdaemon.until(`it is ${address}`, () => dfdaemon.output.includes(`${address} now, it was`));
    const pull = (url: string) =>
      node.run("curl", "-fsSo", "/dev/null", "--proxy", "http://127.0.0.1:65001", url);
    /** Another takes a file from the node; bytes that the node has given so far. */
    const give = async (url: string) => {
      const said = await site.run(
        ...[...ourProgram("dfget"), "-u", url, "-o", join(scratch.dir, "blob")],
        ...["--home", join(scratch.dir, "dfget"), "--ip", SITE, "--node", `${SITE}:8002`],
      );
      expect(said).toContain("download SUCCESS");
      const metrics = await node.run("curl", "-fsS", "http://127.0.0.1:65001/metrics");
      return Number(/^dragonfly_dfdaemon_served_bytes_total (\d+)$/m.exec(metrics)?.[1]);
    };

    it("started before its interface is up, finds its address on a reload", async () => {
      expect(dfdaemon.output).toContain("peer server on 127.0.0.1:15001");
      await setAddress(FIRST);
      dfdaemon.signal("SIGHUP");
      await isAt(FIRST);
      await dfdaemon.until("it is done", () => dfdaemon.output.includes("configuration reloaded"));
      expect(dfdaemon.output).not.toContain("restart");
      await Promise.all(files.map(pull));
      expect(await give(files[0]!)).toBeGreaterThanOrEqual(SIZE);
    });

    it("given another address goes there, and others get its files from it", async () => {
      await setAddress(SECOND);
      dfdaemon.signal("SIGHUP");
      await isAt(SECOND);
      await pull(files[1]!);
      expect(await give(files[1]!)).toBeGreaterThanOrEqual(2 * SIZE);
    });
  },
);
