import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { isAuthority } from "../../runtime/certificates.ts";
import { canListen, freePort, freshAddress } from "../support/addresses.ts";
import { ourProgram } from "../support/our_programs.ts";
import { accepts, RunningProgram, run } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";

describe.each(["supernode", "dfdaemon", "dfget"] as const)("%s", (name) => {
  let scratch: Scratch;
  beforeAll(async () => {
    scratch = await Scratch.open(`command-line-${name}`);
  });
  afterAll(() => scratch?.close());

  const start = (...args: string[]) => run(scratch, [...ourProgram(name), ...args]);

  it("says what it is", async () => {
    const version = await start("version");
    expect(version).toMatchObject({ code: 0 });
    expect(version.stdout.toString()).toMatch(`${name} ${manifest.version} (`);
    const help = await start("--help");
    expect(help).toMatchObject({ code: 0 });
    expect(help.stdout.toString()).toContain("--config");
  });

  it("refuses an unknown flag by its name", async () => {
    const refused = await start("--unheard-of");
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain("--unheard-of");
    expect(refused.stderr).not.toMatch(/\n\s+at /);
  });

  it("refuses a configuration file that is not there by its name", async () => {
    const path = join(scratch.dir, "absent.yml");
    const url = name === "dfget" ? ["-u", "http://127.0.0.1/x"] : [];
    const refused = await start("--config", path, ...url);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain(path);
  });
});

describe.each<["supernode" | "dfdaemon", string, string]>([
  ["supernode", "base:\n  listenPort: 8002\n  cdnPatern: local\n", "cdnPatern"],
  ["supernode", "base:\n  listenPort: 8002\n  cdnPattern: both\n", "cdnPattern"],
  ["supernode", "base:\n  listenPort: 8002\n  gcDiskInterval: soon\n", "gcDiskInterval"],
  ["dfdaemon", "port: 65001\nverbose: false\nratelimit: fast\n", "ratelimit"],
  ["dfdaemon", "port: 65001\nproxies:\n  - regex: x\n", "regex"],
  ["dfdaemon", "port: 65001\nproxies:\n  - regx: '('\n", "regx"],
])("%s with a wrong configuration", (program, text, key) => {
  let scratch: Scratch;
  beforeAll(async () => {
    scratch = await Scratch.open("wrong-config");
  });
  afterAll(() => scratch?.close());

  it(`names file, line and key: ${key}`, async () => {
    const config = join(scratch.dir, "wrong.yml");
    await writeFile(config, text);
    const refused = await run(scratch, [...ourProgram(program), "--config", config]);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toMatch(new RegExp(`wrong\\.yml:3: .*${key}`));
    expect(refused.stderr).not.toMatch(/\n\s+at /);
  });
});

describe("a port that another program has", () => {
  let scratch: Scratch;
  beforeAll(async () => {
    scratch = await Scratch.open("port-taken");
  });
  afterAll(() => scratch?.close());

  it("is named by the one that comes second", async () => {
    const address = freshAddress();
    const port = await freePort(address);
    const command = (home: string) => [
      ...ourProgram("dfdaemon"),
      ...["--hostIp", address, "--port", String(port), "--workHome", join(scratch.dir, home)],
      ...["--node", "127.0.0.1:1"],
    ];
    const first = RunningProgram.start(scratch, command("first"));
    await first.until("it listens", () => accepts(address, port));
    const second = await run(scratch, command("second"));
    expect(second.code).not.toBe(0);
    expect(second.stderr).toContain(`${address}:${port}`);
    expect(first.running).toBe(true);
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    expect(await canListen(address, port)).toBe(true);
  });
});

describe("dfdaemon gen-ca", () => {
  let scratch: Scratch;
  beforeAll(async () => {
    scratch = await Scratch.open("gen-ca");
  });
  afterAll(() => scratch?.close());

  it("makes an authority, and leaves one that is there alone", async () => {
    const [cert, key] = [join(scratch.dir, "ca.crt"), join(scratch.dir, "ca.key")];
    const command = [
      ...ourProgram("dfdaemon"),
      ...["gen-ca", "--cert-output", cert, "--key-output", key],
    ];
    const made = await run(scratch, command);
    expect(made, made.output).toMatchObject({ code: 0 });
    expect(made.stdout.toString()).toMatch(/^\S+ca\.crt: .*\n\S+ca\.key: .*chown/);
    const pem = await readFile(cert, "utf8");
    expect(isAuthority(pem)).toBe(true);
    expect((await stat(key)).mode & 0o077).toBe(0);

    const again = await run(scratch, command);
    expect(again.code).not.toBe(0);
    expect(await readFile(cert, "utf8")).toBe(pem);
    const overwritten = await run(scratch, [...command, "--overwrite"]);
    expect(overwritten, overwritten.output).toMatchObject({ code: 0 });
    expect(await readFile(cert, "utf8")).not.toBe(pem);
  });
});
