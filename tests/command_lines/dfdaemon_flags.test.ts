import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { freePort, freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { ourProgram } from "../support/our_programs.ts";
import { accepts, RunningProgram, run, runWell } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import { ScriptedSupernode } from "./scripted_supernode.ts";
import type { DfdaemonFlag } from "./v1_flags.ts";

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.open("dfdaemon-flags");
});
afterAll(() => scratch?.close());

/** The effective configuration; a certificate goes with a key only. */
async function config(...args: string[]) {
  const pair = args.some((arg) => /pem/.test(arg)) ? ["--certpem=/c", "--keypem=/k"] : [];
  const shown = await runWell(scratch, [...ourProgram("dfdaemon"), ...pair, ...args, "config"]);
  return parse(shown.stdout.toString());
}

/** Two values of a flag, and what the second one makes of the configuration. */
type Case = [first: string, second: string, shown: object];

const VALUES: Record<Exclude<DfdaemonFlag, "config" | "node" | "streamMode" | "verbose">, Case> = {
  certpem: ["/a", "/b", { certpem: "/b" }],
  dfpath: ["/a", "/b", { dfpath: "/b" }],
  hostIp: ["10.0.0.1", "0.0.0.0", { hostIp: "0.0.0.0" }],
  keypem: ["/a", "/b", { keypem: "/b" }],
  localrepo: ["/a", "/b", { localrepo: "/b" }],
  maxprocs: ["1", "8", { maxprocs: 8 }],
  peerPort: ["1", "15001", { peerPort: 15001 }],
  port: ["1", "65002", { port: 65002 }],
  ratelimit: ["1M", "64k", { ratelimit: "64KB" }],
  registry: ["https://a", "http://b:5000", { registry_mirror: { remote: "http://b:5000" } }],
  workHome: ["/a", "/b", { workHome: "/b", localrepo: "/b/dfdaemon/data" }],
};

describe("dfdaemon's flags", () => {
  it.concurrent.each(Object.entries(VALUES))(
    "--%s value, --flag=value, the last one counts",
    async (flag, [first, second, shown]) => {
      expect(await config(`--${flag}`, first, `--${flag}=${second}`)).toMatchObject(shown);
    },
  );

  it.concurrent.each([
    [["--verbose"], { verbose: true }],
    [["--verbose=t", "--verbose=f"], { verbose: false }],
    [["--streamMode"], { streamMode: true }],
    [["--streamMode=1", "--streamMode=0"], { streamMode: false }],
    [["--node", "a:1,b", "--node=c=2"], { supernodes: ["a:1", "b", "c=2"] }],
  ] as const)("%j", async (args, shown) => {
    expect(await config(...args)).toMatchObject(shown);
  });

  it("--config names a file, over which flags win", async () => {
    const file = join(scratch.dir, "dfdaemon.yml");
    await writeFile(
      file,
      "verbose: true\nport: 1234\nsupernodes: [a]\nregistry_mirror: {remote: 'https://a', direct: true}\n",
    );
    const flags = ["--verbose=false", "--node", "b", "--registry", "https://b"];
    expect(await config("--config", file, ...flags)).toMatchObject({
      verbose: false,
      port: 1234,
      supernodes: ["b"],
      registry_mirror: { remote: "https://b", direct: true },
    });
  });

  it.concurrent.each([
    ["--port", "many", "a port"],
    ["--port", "-1", "a port"],
    ["--maxprocs", "many", "whole number"],
    ["--ratelimit", "fast", "rate"],
    ["--registry", "docker.io", "URL"],
    ["--node", "a:b:c", "host[:port]"],
    ["--verbose", "perhaps", "true or false"],
  ])("refuses %s=%s by code 1", async (flag, value, expected) => {
    const refused = await run(scratch, [...ourProgram("dfdaemon"), `${flag}=${value}`]);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain(flag);
    expect(refused.stderr).toContain(expected);
  });

  it("hand dfget_flags on: the peer registers the URL that -f leaves", async () => {
    const supernode = await ScriptedSupernode.start(scratch);
    const source = await Source.start(scratch);
    const layer = `v2/x/blobs/sha256:${"0".repeat(64)}`;
    const file = source.add(`${layer}?sign=1&kept=2&time=3`, 1000);
    const address = freshAddress();
    const port = await freePort(address);
    const yml = join(scratch.dir, "filter.yml");
    const flags = ["--ip", address, "--home", join(scratch.dir, "filter"), "-f", "sign&time"];
    await writeFile(yml, JSON.stringify({ dfget_flags: flags, supernodes: [supernode.node] }));
    const dfdaemon = RunningProgram.start(scratch, [
      ...ourProgram("dfdaemon"),
      ...["--config", yml, "--hostIp", address, "--port", String(port), "--registry", source.url],
      ...["--workHome", join(scratch.dir, "filter")],
    ]);
    await dfdaemon.until("it listens", () => accepts(address, port));
    const { pathname, search } = new URL(file.url);
    const answer = await fetch(`http://${address}:${port}${pathname}${search}`);
    await answer.arrayBuffer();
    expect(supernode.registrations[0]).toMatchObject({
      rawUrl: file.url,
      taskUrl: file.url.replace("sign=1&", "").replace("&time=3", ""),
    });
  });

  it("start a dfdaemon, all of them together", async () => {
    const address = freshAddress();
    const port = await freePort(address);
    const authority = await Authority.create(scratch, "own");
    const identity = await authority.leaf(address);
    const given: Record<string, string> = {
      certpem: identity.cert,
      keypem: identity.key,
      hostIp: address,
      port: String(port),
      peerPort: String(await freePort("127.0.0.1")),
      registry: "http://127.0.0.1:1",
      workHome: join(scratch.dir, "home"),
    };
    const flags = Object.entries(VALUES).map(
      ([flag, [, second]]) => `--${flag}=${given[flag] ?? second}`,
    );
    const dfdaemon = RunningProgram.start(scratch, [
      ...ourProgram("dfdaemon"),
      ...[...flags, "--verbose", "--streamMode", "--node", "127.0.0.1:1"],
    ]);
    await dfdaemon.until("it listens", () => accepts(address, port));
    await dfdaemon.until("its peer serves", () => accepts("127.0.0.1", Number(given.peerPort)));
    expect(await dfdaemon.stop()).toEqual({ code: 0, signal: null });
  });
});
