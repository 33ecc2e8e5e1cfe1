import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { type Finished, run, runWell, until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Scratch } from "../support/scratch.ts";
import { CleanRoot } from "./clean_root.ts";
import { followQuickStart } from "./quick_start.ts";

const PROJECT = join(import.meta.dirname, "../..");
const PACKAGES = ["runtime", "supernode", "dfget", "dfctl", "dfdaemon", "monitoring"].map(
  (name) => `dragonfly-${name}`,
);
const SERVICES = ["dragonfly-supernode", "dragonfly-dfdaemon"];
const SIZE = 20_000_000;
/** Milliseconds: building, and installing Debian, take their time on a busy machine. */
const PATIENCE = 600_000;

const needs = {
  programs: [
    "dpkg-buildpackage",
    "dh",
    "lintian",
    "mmdebstrap",
    "systemd-analyze",
    "unshare",
    "ip",
    "containerd",
    "ctr",
    "docker",
    "dockerd",
    "runc",
    "podman",
    "docker-registry",
    "skopeo",
  ],
  root: true,
  namespaces: true,
} as const;

describeWithPrograms("the Debian packages", needs, () => {
  let scratch: Scratch;
  let root: CleanRoot;
  let lintian: Promise<Finished>;
  const built = join(PROJECT, "dist/deb");

  beforeAll(async () => {
    scratch = await Scratch.open("packages");
    const building = runWell(scratch, ["node", "packaging/deb.mjs"], { cwd: PROJECT });
    // It takes its time, and nothing waits for it.
    lintian = building.then(async () => {
      const changes = (await readdir(built)).find((name) => name.endsWith(".changes"))!;
      const checks = ["--fail-on", "error,warning", "--allow-root"];
      return run(scratch, ["lintian", ...checks, join(built, changes)]);
    });
    [root] = await Promise.all([CleanRoot.boot(scratch), building]);
    await copyInto("packages", (name) => name);
  }, PATIENCE);
  afterAll(() => scratch?.close(), PATIENCE);

  /** Copies the packages into the root. */
  async function copyInto(folder: string, rename: (name: string) => string) {
    await root.write(`${folder}/.keep`, "");
    for (const name of await readdir(built)) {
      if (name.endsWith(".deb"))
        await copyFile(join(built, name), join(root.dir, folder, rename(name)));
    }
  }

  const isActive = async (unit: string) =>
    (await root.run("systemctl", "is-active", unit)).stdout.toString().trim() === "active";

  it("are brought to a pull by the quick start of the docs", { timeout: PATIENCE }, async () => {
    await followQuickStart(scratch, root);
  });

  it("install without a network, Node or Deno, and start by their units", async () => {
    await root.runWell("sh", "-c", "dpkg -i /packages/*.deb");
    expect((await root.run("sh", "-c", "command -v node deno")).code).not.toBe(0);
    for (const unit of SERVICES) {
      // Type=notify: it has said that it is ready.
      expect(await isActive(`${unit}.service`), unit).toBe(true);
      const pid = await root.property(unit, "MainPID");
      const owner = await root.runWell("stat", "--format", "%U", `/proc/${pid}`);
      expect(owner.trim()).toBe("dragonfly");
      const home = await root.runWell("stat", "--format", "%U %a", `/var/lib/${unit}`);
      expect(home.trim()).toBe("dragonfly 750");
    }
    for (const program of ["supernode", "dfdaemon", "dfget", "dfctl"]) {
      expect(await root.runWell(`/usr/bin/${program}`, "version")).toMatch(`${program} `);
    }
    for (const program of ["supernode", "dfdaemon"]) {
      const checked = await root.run("/usr/lib/nagios/plugins/check_dragonfly", program);
      expect(checked, checked.output).toMatchObject({ code: 0 });
    }
    expect(await root.runWell("/usr/bin/dfctl", "status")).toMatch(/^127\.0\.0\.1:8002 +ready/m);
    expect(root.has("usr/share/man/man8/dfctl.8.gz")).toBe(true);
    expect(root.has("usr/share/doc/dragonfly-monitoring/monitoring.md")).toBe(true);
    // Pages lead to each other, and `dfctl doctor` to them.
    for (const one of ["monitoring", "dfctl"])
      expect(root.has(`usr/share/doc/dragonfly-${one}/runbook.md`)).toBe(true);
    expect(root.has("usr/share/icinga2/include/plugins-contrib.d/check_dragonfly.conf")).toBe(true);
    expect(root.has("var/lib/dragonfly-supernode/logs/app.log")).toBe(true);
    expect(root.has("var/lib/dragonfly-dfdaemon/logs/dfdaemon.log")).toBe(true);
    expect(root.has("var/lib/dragonfly-dfdaemon/dfget/logs/dfclient.log")).toBe(true);
  });

  it.each(SERVICES)("confine %s", async (unit) => {
    const analysis = await run(scratch, [
      ...["systemd-analyze", "security", "--offline=true", `--root=${root.dir}`],
      ...["--threshold=25", `${unit}.service`],
    ]);
    expect(analysis.output).toMatch(/Overall exposure level/);
    expect(analysis.code, analysis.output).toBe(0);
  });

  /** A registry in the root's network; resolves with it and the path of its blob. */
  async function startRegistry(port: number, repository: string, tls: readonly string[] = []) {
    const program = join(PROJECT, "tests/packaging/origin.mjs");
    const registry = root.startBeside(
      ...["node", program, "127.0.0.1", String(port), String(SIZE), repository, ...tls],
    );
    await registry.until("it listens", () => registry.stdout.includes("/v2/"));
    return { registry, path: registry.stdout.toString().trim() };
  }

  /** Pulls a blob through dfdaemon, as a container engine with a mirror does; what it hashes to. */
  async function pull(mirror: string, path: string): Promise<string> {
    const client = `fetch(${JSON.stringify(mirror + path)})
      .then((answer) => answer.arrayBuffer())
      .then((bytes) => console.log(
        require("node:crypto").createHash("sha256").update(Buffer.from(bytes)).digest("hex")))`;
    // Whether the certificate is right is asked elsewhere.
    const trusting = ["env", "NODE_TLS_REJECT_UNAUTHORIZED=0"];
    const pulled = await root.startBeside(...trusting, "node", "-e", client).finished();
    return pulled.stdout.toString().trim();
  }

  it("pull by way of the supernode", async () => {
    const { registry, path } = await startRegistry(5000, "library/popular");
    await root.write("etc/dragonfly/dfget.yml", "nodes:\n  - 127.0.0.1:8002=1\n");
    const config = await root.read("etc/dragonfly/dfdaemon.yml");
    await root.write(
      "etc/dragonfly/dfdaemon.yml",
      config
        .replace("https://index.docker.io", "http://127.0.0.1:5000")
        .replace('"--port"', '"--ip", "127.0.0.1", "--port"'),
    );
    await root.runWell("systemctl", "restart", "dragonfly-dfdaemon");
    expect(await pull("http://127.0.0.1:65001", path)).toBe(path.slice(-64));
    const log = await root.read("var/lib/dragonfly-dfdaemon/dfget/logs/dfclient.log");
    expect(log).toMatch(new RegExp(`SUCCESS cost:.* length:${SIZE} reason:0`));
    expect(await root.read("var/lib/dragonfly-supernode/logs/app.log")).toContain(path);

    const url = `http://127.0.0.1:5000${path}`;
    const said = await root.runWell(
      ...["dfget", "-u", url, "-o", "/tmp/blob", "--home", "/tmp/dfget", "--ip", "127.0.0.1"],
    );
    expect(said).toContain("download SUCCESS");
    const sum = await root.runWell("sha256sum", "/tmp/blob");
    expect(sum.slice(0, 64)).toBe(path.slice(-64));
    await registry.stop();
  });

  it("run a production's files of v1 unchanged, and log where v1 did", async () => {
    const kept = new Map<string, string>();
    const fixtures = join(PROJECT, "tests/fixtures/wikimedia");
    for (const name of await readdir(fixtures)) {
      const file = `etc/dragonfly/${name}`;
      kept.set(file, await root.read(file));
      await copyFile(join(fixtures, name), join(root.dir, file));
    }
    // What these files refer to: names, the node's address, certificates.
    const name = "docker-registry.discovery.wmnet";
    const hosts = `127.0.0.1 localhost ${name} dragonfly-supernode1001.eqiad.wmnet\n`;
    await root.write("etc/hosts", hosts);
    await root.startBeside("ip", "address", "add", "10.64.0.11/32", "dev", "lo").finished();
    const authority = await Authority.create(scratch, "production");
    const leaf = await authority.leaf(name, "127.0.0.1", "localhost");
    const certificate = "etc/dragonfly/ssl/discovery__node1001_eqiad_wmnet";
    await root.write("etc/ssl/certs/wmf-ca-certificates.crt", authority.files.pair.cert);
    await root.write(`${certificate}.chained.pem`, leaf.pair.cert);
    await root.write(`${certificate}-key.pem`, leaf.pair.key);
    await root.write("etc/ssl/certs/ca-certificates.crt", authority.files.pair.cert);
    const { registry, path } = await startRegistry(443, "wikimedia/mediawiki", [
      ...[leaf.cert, leaf.key],
    ]);
    for (const file of ["dragonfly-supernode/logs/app.log", "dragonfly-dfdaemon/logs/dfdaemon.log"])
      await root.runWell("rm", `/var/lib/${file}`);
    await root.runWell("systemctl", "restart", ...SERVICES);
    expect(await pull("https://127.0.0.1:65001", path)).toBe(path.slice(-64));
    const log = await root.read("var/lib/dragonfly-dfdaemon/dfget/logs/dfclient.log");
    expect(log).toMatch(new RegExp(`${path.slice(-64)}.* SUCCESS .*length:${SIZE} reason:0`));
    expect(await root.read("var/lib/dragonfly-dfdaemon/logs/dfdaemon.log")).toContain(
      "listening on https://0.0.0.0:65001",
    );
    expect(await root.read("var/lib/dragonfly-supernode/logs/app.log")).toContain(path);
    await registry.stop();
    for (const [file, text] of kept) await root.write(file, text);
    await root.runWell("rm", "-r", "/etc/dragonfly/ssl");
    await root.runWell("systemctl", "restart", ...SERVICES);
  });

  it("reload by systemctl, which fails where the new file cannot be used", async () => {
    const unit = "dragonfly-dfdaemon";
    const pid = await root.property(unit, "MainPID");
    const config = await root.read("etc/dragonfly/dfdaemon.yml");
    await root.write("etc/dragonfly/dfdaemon.yml", `${config}prot: 1\n`);
    expect((await root.run("systemctl", "reload", unit)).code).not.toBe(0);
    const journal = await root.runWell("journalctl", "--no-pager", "-u", unit);
    expect(journal).toMatch(/dfdaemon\.yml:\d+: prot: unknown key/);
    expect(await isActive(unit)).toBe(true);

    await root.write("etc/dragonfly/dfdaemon.yml", config.replace("1G", "2G"));
    await root.runWell("systemctl", "reload", unit);
    await until("the log says so", async () =>
      (await root.read("var/lib/dragonfly-dfdaemon/logs/dfdaemon.log")).includes(
        "configuration reloaded",
      ),
    );
    expect(await root.property(unit, "MainPID")).toBe(pid);
  });

  it.each([
    ["supernode", "  secretFile: /etc/dragonfly/secret\n"],
    ["dfdaemon", "secretFile: /etc/dragonfly/secret\n"],
  ])("have %s config check say which file the service's user cannot read", async (name, key) => {
    const file = `etc/dragonfly/${name}.yml`;
    const config = await root.read(file);
    await root.write("etc/dragonfly/secret", "0123456789abcdef".repeat(2));
    await root.write(file, config + key);
    const check = () => root.run(name, "config", "check");
    await root.runWell("chmod", "600", "/etc/dragonfly/secret");
    expect(await check()).toMatchObject({
      code: 1,
      stderr: `${name}: secretFile: /etc/dragonfly/secret: user dragonfly, as whom dragonfly-${name} runs, is not permitted to read it: chown dragonfly /etc/dragonfly/secret, and let it pass the directories on the way\n`,
    });
    await root.runWell("chown", "dragonfly", "/etc/dragonfly/secret");
    expect(await check()).toMatchObject({ code: 0, stderr: "" });
    await root.runWell("rm", "/etc/dragonfly/secret");
    expect(await check()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("secretFile: /etc/dragonfly/secret: no such file"),
    });
    await root.write(file, config);
  });

  it("are started anew by the watchdog when they hang", async () => {
    const unit = "dragonfly-supernode";
    const quick = "[Service]\nWatchdogSec=3\nWatchdogSignal=SIGKILL\n";
    await root.write(`etc/systemd/system/${unit}.service.d/quick.conf`, quick);
    await root.runWell("systemctl", "daemon-reload");
    await root.runWell("systemctl", "restart", unit);
    const pid = await root.property(unit, "MainPID");
    const started = await root.property(unit, "WatchdogTimestampMonotonic");
    await until("signs of life", async () => {
      return (await root.property(unit, "WatchdogTimestampMonotonic")) !== started;
    });
    expect(await root.property(unit, "MainPID")).toBe(pid);
    await root.runWell("sh", "-c", `kill -STOP ${pid}`);
    await until("another process runs", async () => {
      const now = await root.property(unit, "MainPID");
      return now !== pid && now !== "0" && (await isActive(unit));
    });
    expect(await root.property(unit, "NRestarts")).toBe("1");
    await root.runWell("rm", "-r", `/etc/systemd/system/${unit}.service.d`);
    await root.runWell("systemctl", "daemon-reload");
  });

  it("upgrade: the operator's files stay, and the new programs run", async () => {
    const mine = await root.read("etc/dragonfly/dfdaemon.yml");
    const pids = await Promise.all(SERVICES.map((unit) => root.property(unit, "MainPID")));
    await root.runWell(
      ...["sh", "-ec"],
      `mkdir /upgrade /tmp/tree
      for deb in /packages/*.deb; do
        rm -r /tmp/tree
        dpkg-deb -R $deb /tmp/tree
        sed -i 's/^\\(Version: .*\\|Depends: .*(= [^)]*\\)-1/\\1-2/; s/-1)/-2)/g' /tmp/tree/DEBIAN/control
        dpkg-deb -Znone -b /tmp/tree /upgrade/$(basename $deb)
      done
      dpkg -i --force-confold /upgrade/*.deb`,
    );
    const versions = await root.runWell(
      ...["dpkg-query", "-W", "-f", "$" + "{Version} $" + "{db:Status-Abbrev}\\n", ...PACKAGES],
    );
    expect(versions.trim().split("\n")).toHaveLength(PACKAGES.length);
    for (const line of versions.trim().split("\n")) expect(line).toMatch(/-2 ii/);
    expect(await root.read("etc/dragonfly/dfdaemon.yml")).toBe(mine);
    for (const [index, unit] of SERVICES.entries()) {
      expect(await isActive(unit), unit).toBe(true);
      expect(await root.property(unit, "MainPID")).not.toBe(pids[index]);
    }
  });

  it("purge without a trace but the user", async () => {
    await root.runWell("dpkg", "--purge", ...PACKAGES);
    for (const path of [
      ...["etc/dragonfly", "usr/lib/dragonfly", "usr/bin/supernode", "usr/bin/dfget"],
      ...["var/lib/dragonfly-supernode", "var/lib/dragonfly-dfdaemon"],
      ...SERVICES.map((unit) => `etc/systemd/system/multi-user.target.wants/${unit}.service`),
    ]) {
      expect(root.has(path), path).toBe(false);
    }
    for (const unit of SERVICES) expect(await isActive(unit)).toBe(false);
    expect(await root.runWell("id", "--user", "--name", "dragonfly")).toBe("dragonfly\n");
  });

  it("please lintian", { timeout: PATIENCE }, async () => {
    const checked = await lintian;
    expect(checked.output).not.toMatch(/^[EW]: /m);
    expect(checked.code).toBe(0);
  });
});
