import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort, freshAddress } from "../support/addresses.ts";
import { type DfgetHost, dfgetHost, startDfget } from "../support/dfget.ts";
import { filesBelow } from "../support/files_below.ts";
import { MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { accepts, type Finished, RunningProgram, run } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";
import { type CdnPattern, type Supernode, startSupernode } from "../support/supernode.ts";

const WRONG_MD5 = "0".repeat(32);
const WRONG_SHA256 = `sha256:${"0".repeat(64)}`;
/** Else a file has 20 MB a second. */
const QUICKLY = ["--locallimit", "1G", "--totallimit", "1G"];

describe("dfget as its users know it", () => {
  let scratch: Scratch;
  let source: Source;
  const supernodes = {} as Record<CdnPattern, Supernode>;

  beforeAll(async () => {
    scratch = await Scratch.open("dfget");
    source = await Source.start(scratch);
    for (const cdnPattern of ["local", "source"] as const) {
      supernodes[cdnPattern] = await startSupernode(scratch, { cdnPattern });
    }
  });
  afterAll(() => scratch?.close());

  let outputs = 0;
  const directory = () => scratch.directory("outputs", String(outputs++));

  /** A host with nothing on it, and a run of dfget there. */
  async function dfget(...args: string[]): Promise<Finished> {
    return startDfget(scratch, await dfgetHost(scratch), args).finished();
  }

  function expectNoTrace(finished: Finished): void {
    expect(finished.output).not.toMatch(/\n\s+at /);
  }

  // The large one is hashed by another thread.
  describe.each<[CdnPattern, number]>([
    ["local", 5],
    ["source", 5],
    ["source", 130],
  ])("checks what it got, CDN pattern %s, %i MB", (pattern, size) => {
    let file: SourceUrl;
    beforeAll(() => {
      file = source.add(`checked-${pattern}-${size}`, size * MB);
    });
    const get = (output: string, flags: readonly string[]) => {
      const { node } = supernodes[pattern];
      return dfget("-u", file.url, "-o", output, "--node", node, ...QUICKLY, ...flags);
    };

    it.each([
      ["md5", () => ["--md5", file.md5]],
      ["sha256", () => ["--digest", `sha256:${file.sha256}`]],
    ])("against the right %s", async (_kind, flags) => {
      const output = `${await directory()}/file`;
      const finished = await get(output, flags());
      expect(finished, finished.output).toMatchObject({ code: 0 });
      expect(file.content.equals(await readFile(output))).toBe(true);
    });

    it.each([
      ["md5", ["--md5", WRONG_MD5]],
      ["sha256", ["--digest", WRONG_SHA256]],
    ])("against a wrong %s: code 80 and no file", async (_kind, flags) => {
      const into = await directory();
      const finished = await get(`${into}/file`, flags);
      expect(finished, finished.output).toMatchObject({ code: 80 });
      expect(finished.stdout.toString()).toContain("download FAIL(1104)");
      expect(await filesBelow(into)).toEqual([]);
      expectNoTrace(finished);
    });
  });

  it("writes the file, and nothing else, to standard output with --output -", async () => {
    const file = source.add("stdout", 9 * MB);
    const node = supernodes.local.node;
    const finished = await dfget("-u", file.url, "--output", "-", "--node", node);
    expect(finished, finished.stderr).toMatchObject({ code: 0 });
    expect(finished.stdout.equals(file.content)).toBe(true);
    expect(finished.stderr).toContain("download SUCCESS");
  });

  it("names the file after the URL where --output is not given", async () => {
    const file = source.add("by-its-own-name", MB);
    const cwd = await directory();
    const host = await dfgetHost(scratch);
    const args = ["-u", file.url, "--node", supernodes.local.node];
    const finished = await startDfget(scratch, host, args, { cwd }).finished();
    expect(finished, finished.output).toMatchObject({ code: 0 });
    expect(file.content.equals(await readFile(`${cwd}/by-its-own-name`))).toBe(true);
  });

  it("prints what v1 prints", async () => {
    const file = source.add("printed", 1000);
    const { node, address } = supernodes.local;
    const host = await dfgetHost(scratch);
    const output = `${await directory()}/file`;
    const args = ["-u", file.url, "-o", output, "--node", node];
    const finished = await startDfget(scratch, host, args).finished();
    const lines = finished.stdout.toString().trimEnd().split("\n");
    expect(lines).toEqual([
      expect.stringMatching(/^--\d{4}-\d\d-\d\d \d\d:\d\d:\d\d-- {2}http:\/\/.*\/printed$/),
      expect.stringMatching(/^dfget version:/),
      `workspace:${host.home}`,
      expect.stringMatching(/^sign:\d+-\d+\.\d{3}$/),
      expect.stringMatching(new RegExp(`^client:${host.address} connected to node:${address}`)),
      "start download by dragonfly...",
      expect.stringMatching(/^download SUCCESS cost:\d+\.\d{3}s length:1000 reason:0$/),
    ]);
  });

  it("shows a bar on a terminal with -b, and plain lines elsewhere", async () => {
    const file = source.add("bar", 6 * MB);
    const host = await dfgetHost(scratch);
    const args = ["-u", file.url, "-o", `${host.home}/file`, "--node", supernodes.local.node, "-b"];
    const plain = await startDfget(scratch, host, args).finished();
    expect(plain.stderr).toMatch(/^100% 6\.0 MB, \d+\.\d MB\/s, \d+% from peers$/m);
    expect(plain.stderr).not.toContain("\x1b");

    // `script` gives it a terminal.
    const typed = [...ourProgram("dfget"), "--ip", host.address, "--home", host.home, ...args];
    const quoted = typed.map((word) => `'${word}'`).join(" ");
    const bar = await run(scratch, ["script", "--quiet", "--return", "-c", quoted, "/dev/null"]);
    expect(bar, bar.output).toMatchObject({ code: 0 });
    expect(bar.output).toContain("\x1b");
    expect(bar.output).toMatch(/100% \| 6\.0\/6\.0 MB/);
  });

  it("takes its supernodes from a configuration file", async () => {
    const file = source.add("configured", MB);
    const into = await directory();
    await writeFile(`${into}/dfget.yml`, `nodes:\n  - ${supernodes.local.node}=1\n`);
    const finished = await dfget(
      "-u",
      file.url,
      "-o",
      `${into}/file`,
      "--config",
      `${into}/dfget.yml`,
    );
    expect(finished, finished.output).toMatchObject({ code: 0 });
    expect(finished.output).toContain(`connected to node:${supernodes.local.address}`);
  });

  describe("without a supernode", () => {
    let node: string;
    beforeAll(async () => {
      const address = freshAddress();
      node = `${address}:${await freePort(address)}`;
    });

    it("goes back to the source", async () => {
      const file = source.add("alone", MB);
      const output = `${await directory()}/file`;
      const finished = await dfget("-u", file.url, "-o", output, "--node", node);
      expect(finished, finished.output).toMatchObject({ code: 0 });
      expect(finished.stdout.toString()).toMatch(/download SUCCESS .* reason:[1-9]/);
      expect(file.content.equals(await readFile(output))).toBe(true);
    });

    it("fails with code 80 where --notbs forbids that", async () => {
      const file = source.add("forbidden", MB);
      const into = await directory();
      const args = ["-u", file.url, "-o", `${into}/file`, "--node", node, "--notbs"];
      const finished = await dfget(...args);
      expect(finished, finished.output).toMatchObject({ code: 80 });
      expect(await filesBelow(into)).toEqual([]);
      expect(file.sent()).toBe(0);
    });
  });

  describe("used wrongly says so", () => {
    it.each([
      ["an unknown flag", ["--nope", "-u", "http://127.0.0.1/x"], "--nope"],
      ["no URL", [], "--url"],
      ["two URLs", ["http://127.0.0.1/x", "-u", "http://127.0.0.1/y"], "one too many"],
      ["a URL that is none", ["-u", "ftp://127.0.0.1/x"], "--url"],
      ["a wrong rate", ["-u", "http://127.0.0.1/x", "--locallimit", "fast"], "--locallimit"],
      ["a wrong duration", ["-u", "http://127.0.0.1/x", "--timeout", "soon"], "--timeout"],
      ["a wrong pattern", ["-u", "http://127.0.0.1/x", "--pattern", "p3p"], "--pattern"],
      ["a wrong md5", ["-u", "http://127.0.0.1/x", "--md5", "12"], "--md5"],
      ["a wrong digest", ["-u", "http://127.0.0.1/x", "--digest", "sha256:12"], "--digest"],
      ["a wrong node", ["-u", "http://127.0.0.1/x", "--node", "a:b:c"], "--node"],
      ["a port not allowed", ["-u", "http://127.0.0.1/x", "--port", "80"], "--port"],
      ["an address nobody can reach", ["-u", "http://127.0.0.1/x", "--ip", "0.0.0.0"], "--ip"],
    ])("%s", async (_what, args, named) => {
      const finished = await dfget(...args);
      expect(finished, finished.output).toMatchObject({ code: 1 });
      expect(finished.stderr).toContain(named);
      // What was wrong is what is seen: no pages of help.
      expect(finished.stderr.trim().split("\n").length).toBeLessThan(4);
      expectNoTrace(finished);
    });

    it("an address that is not this host's: it downloads, and says that it serves nobody", async () => {
      const file = source.add("elsewhere", MB);
      const output = `${await directory()}/file`;
      const node = supernodes.local.node;
      // Of a network for documentation: nobody has it.
      const args = ["-u", file.url, "-o", output, "--node", node, "--ip", "192.0.2.77"];
      const finished = await dfget(...args);
      expect(finished, finished.output).toMatchObject({ code: 0 });
      expect(finished.output).toMatch(
        /^no peer server, .*: cannot listen on 192\.0\.2\.77:.*no such address on this host$/m,
      );
      expectNoTrace(finished);
    });

    it("a place that cannot be written to", async () => {
      const file = source.add("unwritable", MB);
      const into = await directory();
      await writeFile(`${into}/file`, "");
      const output = `${into}/file/output`;
      const node = supernodes.local.node;
      const finished = await dfget("-u", file.url, "-o", output, "--node", node);
      // 1102, prepare.
      expect(finished, finished.output).toMatchObject({ code: 78 });
      expect(finished.output).toContain(`${into}/file`);
      expectNoTrace(finished);
    });
  });

  it.each<NodeJS.Signals>(["SIGINT", "SIGTERM"])(
    "leaves no partial output after %s",
    async (signal) => {
      const file = source.add(`interrupted-by-${signal}`, 20 * MB, { bytesPerSecond: 4 * MB });
      const into = await directory();
      const host = await dfgetHost(scratch);
      const args = ["-u", file.url, "-o", `${into}/file`, "--node", supernodes.source.node];
      const program = startDfget(scratch, host, args);
      await program.until("bytes flow", () => file.sent() > MB);
      const exit = await program.stop(signal);
      expect(exit.code).toBe(signal === "SIGINT" ? 130 : 143);
      expect(await filesBelow(into)).toEqual([]);
      expect(await filesBelow(`${host.home}/data`)).toEqual([]);
    },
  );

  it("its server alone says that it is well, and ends all the same when nobody wants a file", async () => {
    const { address, home } = await dfgetHost(scratch);
    const port = await freePort(address);
    const where = ["--ip", address, "--port", String(port), "--home", home];
    const server = RunningProgram.start(scratch, [
      ...[...ourProgram("dfget"), "server", ...where, "--alivetime", "3s"],
    ]);
    await server.until("it listens", () => accepts(address, port));
    let ended = false;
    const finished = server.finished().finally(() => {
      ended = true;
    });
    let answers = 0;
    // Whoever watches it asks again and again.
    while (!ended) {
      for (const path of ["healthz", "readyz"]) {
        const answer = await fetch(`http://${address}:${port}/${path}`).catch(() => undefined);
        if (!answer) continue;
        expect([answer.status, await answer.text()]).toEqual([200, "ok\n"]);
        answers += 1;
      }
    }
    expect(answers).toBeGreaterThan(1);
    expect(await finished).toMatchObject({ code: 0 });
  });

  it("shares one peer server between the downloads of a host", async () => {
    const host: DfgetHost = await dfgetHost(scratch);
    const before = new Set((await scratch.peerServers()).map(({ pid }) => pid));
    const start = (name: string): RunningProgram => {
      const file = source.add(name, 6 * MB);
      const output = `${host.home}/${name}`;
      const args = ["-u", file.url, "-o", output, "--node", supernodes.local.node];
      return startDfget(scratch, host, args);
    };
    const together = [start("shared-a"), start("shared-b")];
    for (const program of together) {
      const finished = await program.finished();
      expect(finished, finished.output).toMatchObject({ code: 0 });
    }
    const later = await start("shared-c").finished();
    expect(later, later.output).toMatchObject({ code: 0 });
    const servers = (await scratch.peerServers()).filter(({ pid }) => !before.has(pid));
    expect(servers).toHaveLength(1);
  });
});
