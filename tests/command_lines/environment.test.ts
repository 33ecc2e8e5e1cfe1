import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ourProgram } from "../support/our_programs.ts";
import { run, runWell } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.open("environment");
});
afterAll(() => scratch?.close());

/** The effective configuration of a program with these variables and flags. */
async function config(
  program: "supernode" | "dfdaemon",
  env: Record<string, string>,
  ...flags: string[]
) {
  const command = [...ourProgram(program), ...flags, "config"];
  return parse((await runWell(scratch, command, { env })).stdout.toString());
}

describe("SUPERNODE_* variables", () => {
  it.concurrent.each([
    ["SUPERNODE_BASE_LISTENPORT", "2019", { listenPort: 2019 }],
    ["SUPERNODE_BASE_HOMEDIR", "/home/x", { homeDir: "/home/x" }],
    ["SUPERNODE_BASE_DEBUG", "true", { debug: true }],
    ["SUPERNODE_BASE_FAILACCESSINTERVAL", "10m30s", { failAccessInterval: "10m30s" }],
    ["SUPERNODE_BASE_MAXBANDWIDTH", "1G", { maxBandwidth: "1GB" }],
    ["SUPERNODE_BASE_CDNPATTERN", "source", { cdnPattern: "source" }],
    ["SUPERNODE_BASE_INTERVALTHRESHOLD", "1h", { IntervalThreshold: "1h0m0s" }],
    // As viper spells it, which keeps the dot of the key.
    ["SUPERNODE_BASE.LISTENPORT", "2020", { listenPort: 2020 }],
  ])("%s=%s", async (variable, value, shown) => {
    expect((await config("supernode", { [variable]: value })).base).toMatchObject(shown);
  });

  it("win over the file that SUPERNODE_CONFIG names, and flags over them", async () => {
    const file = join(scratch.dir, "supernode.yml");
    await writeFile(file, "base: {listenPort: 1, downloadPort: 1, peerUpLimit: 1}\n");
    const env = {
      SUPERNODE_CONFIG: file,
      SUPERNODE_BASE_LISTENPORT: "2",
      SUPERNODE_BASE_DOWNLOADPORT: "2",
    };
    const { base } = await config("supernode", env, "--download-port", "3");
    expect(base).toMatchObject({ listenPort: 2, downloadPort: 3, peerUpLimit: 1 });
  });
});

describe("DFDAEMON_* variables", () => {
  it.concurrent.each([
    ["DFDAEMON_MAXPROCS", "17", { maxprocs: 17 }],
    ["DFDAEMON_WORKHOME", "/home/x", { workHome: "/home/x" }],
    ["DFDAEMON_VERBOSE", "true", { verbose: true }],
    ["DFDAEMON_RATELIMIT", "64K", { ratelimit: "64KB" }],
    ["DFDAEMON_SUPERNODES", "a:1,b", { supernodes: ["a:1", "b"] }],
    ["DFDAEMON_NODE", "a:1", { supernodes: ["a:1"] }],
    ["DFDAEMON_REGISTRY_MIRROR_REMOTE", "http://r", { registry_mirror: { remote: "http://r" } }],
    ["DFDAEMON_REGISTRY_MIRROR.REMOTE", "http://r", { registry_mirror: { remote: "http://r" } }],
  ])("%s=%s", async (variable, value, shown) => {
    expect(await config("dfdaemon", { [variable]: value })).toMatchObject(shown);
  });

  it("win over the file that DFDAEMON_CONFIG names, and flags over them", async () => {
    const file = join(scratch.dir, "dfdaemon.yml");
    await writeFile(file, "{port: 1, peerPort: 1, maxprocs: 1}\n");
    const env = { DFDAEMON_CONFIG: file, DFDAEMON_PORT: "2", DFDAEMON_PEERPORT: "2" };
    const shown = await config("dfdaemon", env, "--peerPort", "3");
    expect(shown).toMatchObject({ port: 2, peerPort: 3, maxprocs: 1 });
  });
});

it.concurrent.each([
  ["supernode", "SUPERNODE_BASE_LISTENPORT", "many"],
  ["supernode", "SUPERNODE_CONFIG", "/nowhere.yml"],
  ["dfdaemon", "DFDAEMON_PORT", "many"],
  ["dfdaemon", "DFDAEMON_CONFIG", "/nowhere.yml"],
] as const)(
  "%s refuses %s=%s by code 1, and says which it was",
  async (program, variable, value) => {
    const refused = await run(scratch, ourProgram(program), { env: { [variable]: value } });
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain(value.startsWith("/") ? value : variable);
  },
);
