import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { freePort, freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { ourProgram } from "../support/our_programs.ts";
import { accepts, RunningProgram, run } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Scratch } from "../support/scratch.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.open("check");
});
afterAll(() => scratch?.close());

/** Runs the plugin: its exit code, and what it printed. */
async function check(...args: string[]): Promise<[code: number | null, line: string]> {
  const { code, stdout, stderr } = await run(scratch, [...ourProgram("check_dragonfly"), ...args]);
  expect(stderr).toBe("");
  return [code, stdout.toString()];
}

describe("a supernode", () => {
  let supernode: Supernode;
  const ask = (...args: string[]) =>
    check("supernode", "-H", supernode.address, "-p", String(supernode.port), ...args);
  beforeAll(async () => {
    supernode = await startSupernode(scratch, { cdnPattern: "source" });
  });

  it("is OK, with figures", async () => {
    const [code, line] = await ask("-w", "9", "-c", "~:10");
    expect(code).toBe(0);
    expect(line).toMatch(
      /^DRAGONFLY SUPERNODE OK - ready, answered in 0\.\d+ s \| time=0\.\d+s;9;~:10;0 tasks=0;;;0 /,
    );
    expect(line).toMatch(/ source_bytes=0c;;;0 served_bytes=0c;;;0 memory=\d+B;;;0\n$/);
  });

  it("is WARNING and CRITICAL by the time that it takes", async () => {
    expect((await ask("-w", "@0:60"))[0]).toBe(1);
    const [code, line] = await ask("-w", "@0:60", "-c", "@0:60");
    expect(code).toBe(2);
    expect(line).toMatch(/^DRAGONFLY SUPERNODE CRITICAL - answered in .* s \(@0:60\), ready \|/);
  });

  it("is judged by any metric", async () => {
    const metric = `dragonfly_supernode_tasks{cdnstatus="FAILED"}`;
    expect((await ask("-m", `${metric}=0,5`))[0]).toBe(0);
    const [code, line] = await ask("--metric", `${metric}=1:,`);
    expect(code).toBe(1);
    expect(line).toContain(`${metric} is 0 (1:)`);
    expect(line).toContain(`'${metric}'=0;1:;;0`);
    expect((await ask("-m", `${metric}=1:,1:`))[0]).toBe(2);
  });

  it("is UNKNOWN where what was asked for is not there", async () => {
    const [code, line] = await ask("-m", "no_such_total=1,2");
    expect(code).toBe(3);
    expect(line).toContain("UNKNOWN - no_such_total: no such metric, ready");
    const { address, port } = supernode;
    const [other, why] = await check("dfdaemon", "-H", address, "-p", String(port));
    expect(other).toBe(3);
    expect(why).toContain("/metrics is not that of a dfdaemon");
  });

  it("is CRITICAL where nobody listens, or nobody answers", async () => {
    const address = freshAddress();
    const port = String(await freePort(address));
    const [code, line] = await check("supernode", "-H", address, "-p", port);
    expect(code).toBe(2);
    expect(line).toMatch(/^DRAGONFLY SUPERNODE CRITICAL - .*ECONNREFUSED/);

    const silent = createServer().listen(Number(port), address);
    scratch.defer(() => silent.close());
    const [late, why] = await check("supernode", "-H", address, "-p", port, "-t", "0.2");
    expect(late).toBe(2);
    expect(why).toContain("/healthz: no answer within 0.2 s");
  });
});

describe("a dfdaemon", () => {
  const address = freshAddress();
  let authority: Authority;
  beforeAll(async () => {
    authority = await Authority.create(scratch, "nodes");
  });

  /** Starts one with these keys in its configuration; how to ask for it. */
  async function start(home: string, keys: Record<string, unknown>): Promise<string[]> {
    const port = await freePort(address);
    const config = join(home, "dfdaemon.yml");
    const flags = ["--ip", address, "--home", join(home, "dfget")];
    const all = { hostIp: address, port, workHome: home, dfget_flags: flags, ...keys };
    await writeFile(config, stringify(all));
    const command = [...ourProgram("dfdaemon"), "--config", config];
    const program = RunningProgram.start(scratch, command);
    await program.until("it listens", () => accepts(address, port));
    return ["dfdaemon", "-H", address, "-p", String(port)];
  }

  it("is OK, also by TLS; CRITICAL or WARNING when its certificate expires soon", async () => {
    const leaf = await authority.leaf(address);
    const identity = { certpem: leaf.cert, keypem: leaf.key };
    const asked = await start(await scratch.directory("good"), identity);
    const byTls = [...asked, "--ssl", "--ca-file", authority.files.cert];
    const good = [...byTls, "--certificate-warning", "0:", "--certificate-critical", "0:"];
    const [code, line] = await check(...good);
    expect(line).toMatch(/OK - ready, answered in \S+ s, certpem is good for (1\.0|0\.9) days \|/);
    expect(line).toMatch(/ certificate_days=[01]\.?\d*;0:;0:;0 peer_bytes=0c;;;0 /);
    expect(code).toBe(0);

    const [soon, why] = await check(...byTls);
    expect(why).toMatch(/CRITICAL - certpem is good for \S+ days \(3:\), ready/);
    expect(soon).toBe(2);
    expect((await check(...byTls, "--certificate-critical", "0:"))[0]).toBe(1);

    const [untrusted, reason] = await check(...asked, "--ssl");
    expect(untrusted).toBe(2);
    expect(reason).toContain("certificate");
    const [trusting] = await check(...asked, "-S", "--insecure", "--certificate-critical", "0:");
    expect(trusting).toBe(1);
  });

  it("is WARNING by its metrics", async () => {
    const asked = await start(await scratch.directory("plain"), {});
    const [code, line] = await check(
      ...asked,
      "-m",
      'dragonfly_dfdaemon_bytes_total{origin="peer"}=1:,',
    );
    expect(line).toMatch(
      /^DRAGONFLY DFDAEMON WARNING - dragonfly_dfdaemon_bytes_total.* is 0 \(1:\), ready,/,
    );
    expect(code).toBe(1);
  });
});

describe("wrong use", () => {
  it.each([
    [[], "missing required argument 'program'"],
    [["dfget"], `no program "dfget": expected supernode or dfdaemon`],
    [["supernode", "-w", "5x"], `--warning: "5x" is no range`],
    [["supernode", "-p", "0"], `--port: "0": expected a number, 1 to 65535`],
    [["supernode", "-H", "a b"], `--hostname: "a b" is no host`],
    [["supernode", "-t", "soon"], `--timeout: "soon": expected a number`],
    [["supernode", "-m", "a{b}=1,2"], `--metric: "a{b}" is no metric`],
    [["supernode", "-m", `a{b="c"}`], "expected NAME=WARNING,CRITICAL"],
    [["supernode", "--ca-file", "/none.pem"], "--ca-file: ENOENT"],
    [["supernode", "--wrong"], "unknown option '--wrong'"],
  ])("%j is UNKNOWN, and says why", async (args, why) => {
    const [code, line] = await check(...args);
    expect(line).toMatch(/^DRAGONFLY UNKNOWN - [^\n]*\n$/);
    expect(line).toContain(why);
    expect(code).toBe(3);
  });

  it("--help and --version end with 3, as the guidelines have it", async () => {
    const [code, help] = await check("--help");
    expect(code).toBe(3);
    for (const flag of ["-H, --hostname", "-w, --warning", "-c, --critical", "-t, --timeout"]) {
      expect(help).toContain(flag);
    }
    expect(await check("-V")).toEqual([3, expect.stringMatching(/^check_dragonfly \d/)]);
  });
});

describeWithPrograms("Icinga 2", { programs: ["icinga2"] }, () => {
  it("takes the definition of the command, and every argument in it is a flag", async () => {
    const definition = join(import.meta.dirname, "../../packaging/icinga/check_dragonfly.conf");
    const config = join(scratch.dir, "icinga2.conf");
    await writeFile(
      config,
      `include <itl>
      const PluginDir = "/usr/lib/nagios/plugins"
      include "${definition}"
      object Host "node" { check_command = "dummy", address = "192.0.2.1" }
      object Service "dragonfly" {
        host_name = "node"
        check_command = "dragonfly"
        vars.dragonfly_program = "supernode"
      }`,
    );
    const place = ["-D", `DataDir=${scratch.dir}`, "-D", `CacheDir=${scratch.dir}`];
    const user = ["-D", "RunAsUser=root", "-D", "RunAsGroup=root"];
    const checked = await run(scratch, [
      ...["icinga2", ...user, ...place, "-D", `LogDir=${scratch.dir}`],
      ...["-D", `InitRunDir=${scratch.dir}`, "daemon", "--validate", "--config", config],
    ]);
    expect(checked.code, checked.output).toBe(0);
    expect(checked.output).not.toMatch(/warning\//);

    const [, help] = await check("--help");
    const { stdout } = await run(scratch, ["grep", "-oE", '"--[a-z-]+" = ', definition]);
    const flags = [...stdout.toString().matchAll(/--[a-z-]+/g)].map(([flag]) => flag);
    expect(flags).toHaveLength(13);
    for (const flag of flags) expect(help).toContain(`${flag} `);
  });
});
