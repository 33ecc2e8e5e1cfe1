import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { freePort, freshAddress } from "../support/addresses.ts";
import { ourProgram } from "../support/our_programs.ts";
import { accepts, RunningProgram, run, runWell } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import type { SupernodeFlag } from "./v1_flags.ts";

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.open("supernode-flags");
});
afterAll(() => scratch?.close());

/** The effective `base:` block. */
async function base(...args: string[]): Promise<Record<string, unknown>> {
  const shown = await runWell(scratch, [...ourProgram("supernode"), ...args, "config"]);
  return parse(shown.stdout.toString()).base;
}

/** Two values of a flag, the key that the second one sets, and how it is shown there. */
type Case = [first: string, second: string, key: string, shown: unknown];

const VALUES: Record<Exclude<SupernodeFlag, "config" | "debug" | "profiler">, Case> = {
  "advertise-ip": ["10.0.0.1", "10.0.0.2", "advertiseIP", "10.0.0.2"],
  "cdn-pattern": ["local", "source", "cdnPattern", "source"],
  "down-limit": ["5", "6", "peerDownLimit", 6],
  "download-port": ["1", "8003", "downloadPort", 8003],
  "fail-access-interval": ["1m", "90s", "failAccessInterval", "1m30s"],
  "gc-initial-delay": ["1m", "0", "gcInitialDelay", "0s"],
  "gc-meta-interval": ["1m", "1.5h", "gcMetaInterval", "1h30m0s"],
  "home-dir": ["/a", "/b c", "homeDir", "/b c"],
  "max-bandwidth": ["1M", "1g", "maxBandwidth", "1GB"],
  "peer-gc-delay": ["1m", "1h2m3s", "peerGCDelay", "1h2m3s"],
  "pool-size": ["1", "20", "schedulerCorePoolSize", 20],
  port: ["1", "8004", "listenPort", 8004],
  "system-bandwidth": ["1G", "12345", "systemReservedBandwidth", "12345B"],
  "task-expire-time": ["1m", "500ms", "taskExpireTime", "500ms"],
  "up-limit": ["1", "7", "peerUpLimit", 7],
};

describe("supernode's flags", () => {
  it.concurrent.each(Object.entries(VALUES))(
    "--%s value, --flag=value, the last one counts",
    async (flag, [first, second, key, shown]) => {
      expect(await base(`--${flag}`, first, `--${flag}=${second}`)).toMatchObject({ [key]: shown });
    },
  );

  it.concurrent.each([
    [["--debug"], "debug", true],
    [["-D"], "debug", true],
    [["-D=false"], "debug", false],
    [["--debug=true", "--debug=0"], "debug", false],
    [["--debug=F", "--debug=T"], "debug", true],
    [["--profiler"], "enableProfiler", true],
    [["--profiler=1"], "enableProfiler", true],
    [["--profiler", "--profiler=false"], "enableProfiler", false],
  ] as const)("%j", async (args, key, shown) => {
    expect(await base(...args)).toMatchObject({ [key]: shown });
  });

  it("--config names a file, over which flags win", async () => {
    const file = join(scratch.dir, "supernode.yml");
    await writeFile(file, "base:\n  peerUpLimit: 9\n  debug: true\n  listenPort: 1234\n");
    const shown = await base("--config", file, "--debug=false", "--port", "4321");
    expect(shown).toMatchObject({ peerUpLimit: 9, debug: false, listenPort: 4321 });
  });

  it.concurrent.each([
    ["--port", "many", "a port"],
    ["--port", "70000", "65535"],
    ["--cdn-pattern", "both", '"local" or "source"'],
    ["--max-bandwidth", "fast", "rate"],
    ["--gc-initial-delay", "soon", "duration"],
    ["--advertise-ip", "here", "IPv4"],
    ["--debug", "perhaps", "true or false"],
    ["--up-limit", "0", "1 or more"],
  ])("refuses %s=%s by code 1", async (flag, value, expected) => {
    const refused = await run(scratch, [...ourProgram("supernode"), `${flag}=${value}`]);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain(flag);
    expect(refused.stderr).toContain(expected);
  });

  it("start a supernode, all of them together", async () => {
    const address = freshAddress();
    const [port, downloadPort] = [await freePort(address), await freePort(address)];
    const given: Record<string, string> = {
      port: String(port),
      "download-port": String(downloadPort),
      "home-dir": join(scratch.dir, "home"),
      "advertise-ip": address,
      "max-bandwidth": "1G",
      "system-bandwidth": "20M",
    };
    const flags = Object.entries(VALUES).map(
      ([flag, [, second]]) => `--${flag}=${given[flag] ?? second}`,
    );
    const supernode = RunningProgram.start(scratch, [
      ...ourProgram("supernode"),
      ...[...flags, "-D", "--profiler"],
    ]);
    await supernode.until("both ports listen", async () =>
      (await Promise.all([accepts(address, port), accepts(address, downloadPort)])).every(Boolean),
    );
    expect((await fetch(`http://${address}:${port}/debug/pprof/heap`)).status).toBe(501);
    expect(await supernode.stop()).toEqual({ code: 0, signal: null });
  });
});
