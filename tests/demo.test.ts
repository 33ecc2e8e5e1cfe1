import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { pullImage } from "../bench/demo/pull_client.ts";
import { ourProgram } from "./support/our_programs.ts";
import { RunningProgram } from "./support/process.ts";
import { Scratch } from "./support/scratch.ts";

let scratch: Scratch;
let temporary: string;

beforeAll(async () => {
  scratch = await Scratch.open("demo");
  temporary = await scratch.directory("tmp");
});
afterEach(async () => {
  // Whatever happened to the demo: no process and no file.
  expect(await scratch.processes()).toEqual([]);
  expect(await readdir(temporary)).toEqual([]);
});
afterAll(() => scratch.close());

function startDemo(...flags: string[]): RunningProgram {
  const command = [...ourProgram("demo"), ...flags];
  return RunningProgram.start(scratch, command, { env: { TMPDIR: temporary } });
}

const pulling = (demo: RunningProgram) =>
  demo.until("the nodes pull", () => demo.output.includes("pulling on all of them"));

interface Row {
  fromPeers: number;
  fromRegistry: number;
  verified: string;
}

function readTable(output: string): Row[] {
  const row = /│ node \d+ +│ [\d.]+ +│ +[\d.]+ │ +([\d.]+) │ +([\d.]+) │ +(\d+\/\d+) │/g;
  return [...output.matchAll(row)].map(([, peers, registry, verified]) => ({
    fromPeers: Number(peers),
    fromRegistry: Number(registry),
    verified: verified!,
  }));
}

describe("the demo", () => {
  test("pulls an image on every node, and the registry sends it once", async () => {
    const demo = await startDemo("--size", "40", "--nodes", "3").finished();
    expect(demo.stderr).toBe("");
    expect(demo.code).toBe(0);
    const output = demo.stdout.toString();
    const rows = readTable(output);
    expect(rows.map((row) => row.verified)).toEqual(["7/7", "7/7", "7/7"]);
    for (const { fromPeers, fromRegistry } of rows) {
      expect(fromPeers + fromRegistry).toBeCloseTo(40, 0);
    }
    const sum = rows.reduce((total, row) => total + row.fromRegistry, 0);
    expect(sum).toBeGreaterThan(39);
    expect(sum).toBeLessThanOrEqual(40 * 1.05);
    const factor = /(\d\.\d\d) times the image of 40\.0 MB/.exec(output);
    expect(Number(factor?.[1])).toBeGreaterThanOrEqual(1);
    expect(Number(factor?.[1])).toBeLessThanOrEqual(1.05);
    expect(output).toContain("Without p2p it would have been 3.00 times");
  });

  test.each([
    ["ctrl-C", ["SIGINT"], 130],
    ["ctrl-C twice", ["SIGINT", "SIGINT"], 130],
    ["SIGTERM", ["SIGTERM"], 143],
  ] as const)("leaves nothing behind after %s", async (_, signals, code) => {
    const demo = startDemo("--size", "300", "--nodes", "2");
    await pulling(demo);
    expect((await scratch.processes()).length).toBeGreaterThanOrEqual(4);
    for (const signal of signals) demo.signal(signal);
    const ended = await demo.finished();
    expect(ended.code).toBe(code);
    expect(ended.stderr).toBe("demo: stopped\n");
  });

  test("leaves nothing behind when told to stop while it starts", async () => {
    const demo = startDemo("--size", "10", "--nodes", "4");
    await demo.until("it starts nodes", async () =>
      (await scratch.processes()).some(({ command }) => command.includes("dfdaemon.yml")),
    );
    demo.signal("SIGINT");
    expect((await demo.finished()).code).toBe(130);
  });

  test("says which node died, and ends", async () => {
    const demo = startDemo("--size", "400", "--nodes", "2");
    await pulling(demo);
    const node = (await scratch.processes()).find(({ command }) =>
      command.includes("node-2/dfdaemon.yml"),
    );
    process.kill(node!.pid, "SIGKILL");
    const ended = await demo.finished();
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/^demo: node 2: /);
    expect(ended.stderr).not.toContain("    at ");
  });

  test("keeps the nodes for further pulls with --keep, until ctrl-C", async () => {
    const demo = startDemo("--size", "20", "--nodes", "2", "--keep");
    await demo.until("it says how to use it", () => demo.output.includes("manifests/latest\n"));
    const curl = /curl --proxy http:\/\/(\S+):(\d+) --cacert (\S+) https:\/\/([^/]+):(\d+)\//.exec(
      demo.output,
    );
    const [, hostname, port, ca, host, registryPort] = curl!;
    const { blobs } = await pullImage({
      registry: { host: host!, port: Number(registryPort) },
      repository: "demo/image",
      reference: "latest",
      ca: await readFile(ca!, "utf8"),
      proxy: { hostname: hostname!, port: Number(port) },
    });
    expect(blobs.map((blob) => blob.verified)).toEqual(Array(7).fill(true));
    expect(demo.running).toBe(true);
    demo.signal("SIGINT");
    expect((await demo.finished()).code).toBe(0);
  });

  test.each([
    [["--nodes", "0"], "argument '0' is invalid. Expected a whole number from 1 to 100"],
    [["--nodes", "1.5"], "argument '1.5' is invalid"],
    [["--size", "x"], "argument 'x' is invalid. Expected a whole number from 1 to 20000"],
    [["--sise", "5"], "unknown option '--sise'"],
  ])("refuses %j", async (flags, message) => {
    const demo = await startDemo(...flags).finished();
    expect(demo.code).toBe(1);
    expect(demo.stderr).toContain(message);
    expect(demo.stdout.toString()).toBe("");
  });

  test("says that its directory for temporary files is not there", async () => {
    const command = ourProgram("demo");
    const env = { TMPDIR: join(scratch.dir, "absent") };
    const demo = await RunningProgram.start(scratch, command, { env }).finished();
    expect(demo.code).toBe(1);
    expect(demo.stderr).toMatch(/^demo: cannot make a directory in .*absent: /);
    expect(demo.stderr).not.toContain("    at ");
  });
});
