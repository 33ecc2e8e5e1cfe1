import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { UsageError } from "../runtime/command_line.ts";
import { ConfigError } from "../runtime/config_error.ts";
import { formatConfig, loadConfig } from "./config.ts";
import type { ProxyConfig, Settings } from "./settings.ts";
import { cleanUp, scratchDirectory } from "./testing.ts";

afterEach(cleanUp);

async function load(
  text: string,
  { env = {}, flags = {} }: { env?: NodeJS.ProcessEnv; flags?: Settings } = {},
): Promise<ProxyConfig> {
  const file = join(await scratchDirectory(), "dfdaemon.yml");
  await writeFile(file, text);
  return loadConfig({ file, env, flags }).catch((error: Error) => {
    error.message = error.message.replaceAll(file, "dfdaemon.yml");
    throw error;
  });
}

test("v1's defaults", async () => {
  expect(await load("")).toMatchObject({
    registry_mirror: {
      remote: "https://index.docker.io",
      certs: [],
      insecure: false,
      direct: false,
    },
    proxies: [],
    hijack_https: null,
    port: 65001,
    hostIp: "127.0.0.1",
    ratelimit: 20 * 1024 * 1024,
    dfget_flags: [],
    supernodes: [],
    peerPort: 0,
  });
});

test("Wikimedia's configuration", async () => {
  const path = new URL("../tests/fixtures/wikimedia/dfdaemon.yml", import.meta.url);
  const config = await load(await readFile(path, "utf8"));
  expect(config).toMatchObject({
    hostIp: "0.0.0.0",
    port: 65001,
    ratelimit: 100 * 1024 * 1024,
    proxies: [
      { regx: "wikimedia/mediawiki/blobs/sha256.*", use_https: true, direct: false },
      { regx: "restricted/mediawiki-multiversion/blobs/sha256.*", use_https: true },
    ],
    hijack_https: {
      hosts: [
        {
          regx: "docker-registry.discovery.wmnet",
          certs: ["/etc/ssl/certs/wmf-ca-certificates.crt"],
          insecure: false,
        },
      ],
    },
  });
});

test("what `dfdaemon config` of v1 prints can be read, and ours", async () => {
  const v1 =
    "registry_mirror: {remote: https://r, certs: null, insecure: false, direct: false}\nhijack_https: null\nproxies: []\n";
  const config = await load(v1);
  expect(await load(formatConfig(config))).toEqual(config);
  expect(parse(formatConfig(config)).ratelimit).toBe("20MB");
});

test("flags win over variables, variables over the file", async () => {
  const env = {
    DFDAEMON_PORT: "2",
    DFDAEMON_RATELIMIT: "2M",
    DFDAEMON_REGISTRY_MIRROR_REMOTE: "https://env.example",
    DFDAEMON_SUPERNODES: "a,b:9=2",
    DFDAEMON_VERBOSE: "true",
  };
  const flags: Settings = { port: "3", "registry_mirror.remote": "https://flag.example" };
  expect(await load("port: 1\nratelimit: 1M\nworkHome: /w\n", { env, flags })).toMatchObject({
    port: 3,
    ratelimit: 2 * 1024 * 1024,
    registry_mirror: { remote: "https://flag.example" },
    supernodes: ["a", "b:9=2"],
    verbose: true,
    workHome: "/w",
    localrepo: "/w/dfdaemon/data",
  });
});

describe("what is wrong is said with file, line and key", () => {
  test.each([
    ["prt: 1", "dfdaemon.yml:1: prt: unknown key; did you mean port?"],
    ["port: 70000", "dfdaemon.yml:1: port: expected a port, 0 to 65535 (0: any free one)"],
    ["\nproxies:\n  - regx: '('", "dfdaemon.yml:3: proxies.0.regx: expected a regular expression"],
    ["proxies:\n  - regx: '[[:alpha:]]'", "POSIX classes"],
    ["proxies:\n  - regex: x", "regex: unknown key; did you mean regx?"],
    ["hijack_https:\n  cert: a\n  hosts: []", "hijack_https.key: expected text"],
    [
      "registry_mirror:\n  remote: index.docker.io",
      "registry_mirror.remote: expected an http or https URL",
    ],
    ["ratelimit: fast", "ratelimit: expected a rate such as 20M"],
    ["supernodes: ['a b']", "supernodes.0: expected host[:port][=weight]"],
    ["localIP: 0.0.0.0", "localIP: expected the IPv4 address by which other nodes reach this one"],
    ["verbose: maybe", "verbose: expected true or false"],
    ["certpem: x", "dfdaemon.yml: certpem is set but keypem is not"],
  ])("%j", async (text, message) => {
    const error = await load(text).then(
      () => expect.unreachable(),
      (error: Error) => error,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain(message);
  });

  test("a wrong flag and a wrong variable by their names", async () => {
    const flagged = load("", { flags: { port: "x" } });
    await expect(flagged).rejects.toThrow(UsageError);
    await expect(flagged).rejects.toThrow("--port: expected a port");
    await expect(load("", { flags: { supernodes: "a b:x" } })).rejects.toThrow("--node: expected");
    const inEnv = load("", { env: { DFDAEMON_RATELIMIT: "x" } });
    await expect(inEnv).rejects.toThrow("environment variable DFDAEMON_RATELIMIT: expected a rate");
  });

  test("a file that was named must be there", async () => {
    const missing = loadConfig({ file: "/nowhere/dfdaemon.yml", env: {}, flags: {} });
    await expect(missing).rejects.toThrow("/nowhere/dfdaemon.yml: no such file");
  });
});

test("under systemd the unit's state directory is the work home, unless the file says otherwise", async () => {
  vi.stubEnv("STATE_DIRECTORY", "/var/lib/dragonfly-dfdaemon");
  try {
    expect((await load("")).workHome).toBe("/var/lib/dragonfly-dfdaemon");
    expect((await load("workHome: /srv/cache\n")).workHome).toBe("/srv/cache");
  } finally {
    vi.unstubAllEnvs();
  }
});
