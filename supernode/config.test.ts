import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { ConfigError } from "../runtime/config_error.ts";
import { formatConfig, loadConfig, settingFromText, settingsForRestart } from "./config.ts";
import { withDefaults } from "./settings.ts";

/** What v1.0.6 prints for `supernode config` without a file. */
const V1_DEFAULTS = `base:
  cdnPattern: local
  listenPort: 8002
  downloadPort: 8001
  homeDir: /home/admin/supernode
  schedulerCorePoolSize: 10
  downloadpath: /home/admin/supernode/repo/download
  peerUpLimit: 5
  peerDownLimit: 4
  eliminationLimit: 5
  failureCountLimit: 5
  linkLimit: 20MB
  systemReservedBandwidth: 20MB
  maxBandwidth: 200MB
  enableProfiler: false
  debug: false
  advertiseIP: ""
  failAccessInterval: 3m0s
  gcInitialDelay: 6s
  gcMetaInterval: 2m0s
  taskExpireTime: 3m0s
  peerGCDelay: 3m0s
  gcDiskInterval: 15s
  youngGCThreshold: 100GB
  fullGCThreshold: 5GB
  IntervalThreshold: 2h0m0s
  cleanratio: 1
  logConfig:
    maxSize: 0
    maxBackups: 0
    path: ""
plugins: {}
storages: {}
`;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "supernode-config-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function load(text: string, env: NodeJS.ProcessEnv = {}, flags = {}) {
  const file = join(dir, "supernode.yml");
  await writeFile(file, text);
  return loadConfig({ file, env, flags });
}

describe("defaults", () => {
  test("print as v1 prints them", () => {
    expect(parse(formatConfig(withDefaults()))).toMatchObject(parse(V1_DEFAULTS));
  });
  test("what is printed can be read again", async () => {
    const { config, warnings } = await load(
      formatConfig(withDefaults({ hostAliases: { a: "::1" } })),
    );
    expect({ ...config, downloadPath: "" }).toEqual(withDefaults({ hostAliases: { a: "::1" } }));
    expect(warnings).toEqual([]);
  });
  test("v1's own output can be read", async () => {
    const { config } = await load(V1_DEFAULTS);
    expect({ ...config, downloadPath: "" }).toEqual(withDefaults());
  });
});

describe("layers", () => {
  const text = "base:\n  listenPort: 1\n  peerUpLimit: 1\n  maxBandwidth: 100M\n";
  test("the file over the defaults", async () => {
    const { config } = await load(text);
    expect(config).toMatchObject({ listenPort: 1, peerUpLimit: 1, peerDownLimit: 4 });
    expect(config.maxBandwidth).toBe(100 * 1024 ** 2);
  });
  test("the environment over the file, flags over both", async () => {
    const env = {
      SUPERNODE_BASE_LISTENPORT: "2",
      SUPERNODE_BASE_PEERUPLIMIT: "2",
      SUPERNODE_PORT: "x",
    };
    const { config } = await load(text, env, { peerUpLimit: 3 });
    expect(config).toMatchObject({ listenPort: 2, peerUpLimit: 3 });
  });
  test("systemd's directory for the service over the default only", async () => {
    const env = { STATE_DIRECTORY: "/var/lib/dragonfly-supernode" };
    expect((await load(text, env)).config.homeDir).toBe("/var/lib/dragonfly-supernode");
    const named = await load("base:\n  homeDir: /srv/copies\n", env);
    expect(named.config.homeDir).toBe("/srv/copies");
  });
  test("a file that is named must be there", async () => {
    const file = join(dir, "none.yml");
    await expect(loadConfig({ file, env: {}, flags: {} })).rejects.toThrow(`${file}: no such file`);
  });
});

describe("refused", () => {
  test.each([
    [
      "base:\n  listenPrt: 1",
      /supernode\.yml:2: base\.listenPrt: unknown key; did you mean listenPort\?/,
    ],
    ["base:\n  listenPort: 70000", /:2: base\.listenPort: expected a port, 0 to 65535/],
    ["base:\n  cdnPattern: cdn", /:2: base\.cdnPattern: expected "local" or "source"/],
    ["base:\n  maxBandwidth: fast", /:2: base\.maxBandwidth: expected a rate such as 20M/],
    ["base:\n  gcInitialDelay: 6", /:2: base\.gcInitialDelay: expected a duration such as 3m0s/],
    ["base:\n  advertiseIP: node1", /:2: base\.advertiseIP: expected an IPv4 address/],
    ["base:\n  cleanratio: 11", /:2: base\.cleanratio: expected 1 to 10/],
    ["base:\n  debug: maybe", /:2: base\.debug: expected true or false/],
    [
      "base:\n  hostAliases:\n    reg.example: nowhere",
      /:3: base\.hostAliases\.reg\.example: expected an IP/,
    ],
    [
      "base:\n  logConfig:\n    format: xml",
      /:3: base\.logConfig\.format: expected "text" or "json"/,
    ],
    [
      "base:\n  maxBandwidth: 10M",
      /maxBandwidth \(10MB\) must be more than systemReservedBandwidth/,
    ],
  ])("%j", async (text, message) => {
    const refused = load(text);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toBeInstanceOf(ConfigError);
  });

  test("in the environment", async () => {
    await expect(load("", { SUPERNODE_BASE_DEBUG: "maybe" })).rejects.toThrow(
      "environment variable SUPERNODE_BASE_DEBUG: expected true or false",
    );
  });
});

test("keys without effect are told of", async () => {
  const { warnings } = await load("base: {downloadpath: /x}\nplugins: {a: [b]}\nstorages: {}");
  expect(warnings).toEqual([
    "base.downloadpath has no effect: files lie in /home/admin/supernode/repo/download",
    "plugins has no effect",
  ]);
});

test.each([
  ["listenPort", "80", 80],
  ["debug", "true", true],
  ["debug", "0", false],
  ["maxBandwidth", "1K", 1024],
  ["taskExpireMs", "1m", 60_000],
  ["homeDir", "7", "7"],
] as const)("%s from the text %s", (name, text, value) => {
  expect(settingFromText(name, text)).toBe(value);
});

test("what waits for a restart is told by its key; limits do not wait", () => {
  const before = withDefaults({ peerUpLimit: 3, listenPort: 1 });
  const after = withDefaults({ peerUpLimit: 9, listenPort: 2, hostAliases: { a: "127.0.0.1" } });
  expect(settingsForRestart(before, after)).toEqual(["listenPort", "hostAliases"]);
  expect(settingsForRestart(before, withDefaults({ peerUpLimit: 9, listenPort: 1 }))).toEqual([]);
});
