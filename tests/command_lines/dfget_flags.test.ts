import { access, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort, freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { ourProgram } from "../support/our_programs.ts";
import { type Finished, run } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";
import { type Registration, ScriptedSupernode } from "./scripted_supernode.ts";
import { type DfgetFlag, SHORT_FORMS } from "./v1_flags.ts";

/** How a command line may spell a flag with its value. */
const SPELLINGS: Record<string, (flag: string, value: string) => string[]> = {
  "--flag value": (flag, value) => [`--${flag}`, value],
  "--flag=value": (flag, value) => [`--${flag}=${value}`],
  "-f value": (flag, value) => [short(flag) ?? `--${flag}`, value],
  "-f=value": (flag, value) => [`${short(flag) ?? `--${flag}`}=${value}`],
  "-fvalue": (flag, value) => [short(flag) ? `${short(flag)}${value}` : `--${flag}=${value}`],
};

function short(flag: string): string | undefined {
  const letter = (SHORT_FORMS as Record<string, string>)[flag];
  return letter && `-${letter}`;
}

let scratch: Scratch;
let source: Source;
beforeAll(async () => {
  scratch = await Scratch.open("dfget-flags");
  source = await Source.start(scratch);
});
afterAll(() => scratch?.close());

describe.each(Object.keys(SPELLINGS))("dfget's flags, spelled %s", (spelling) => {
  let file: SourceUrl;
  let supernode: ScriptedSupernode;
  let finished: Finished;
  let registered: Registration;
  let server: string;
  let log: string;
  const value: Record<string, string> = {};

  beforeAll(async () => {
    const directory = await scratch.directory(spelling);
    const name = spelling.replace(/\W/g, "_");
    file = source.add(`${name}?sign=1&kept=2&time=3`, 1000);
    supernode = await ScriptedSupernode.start(scratch);
    const authority = await Authority.create(scratch, name);
    const ip = freshAddress();
    Object.assign(value, {
      alivetime: "1m30s",
      cacerts: `${authority.files.cert},${authority.files.cert}`,
      callsystem: "my call",
      clientqueue: "3",
      expiretime: "45s",
      filter: "sign&time",
      home: join(directory, "home"),
      identifier: "edition 2",
      ip,
      locallimit: "30M",
      minrate: "10k",
      node: supernode.node,
      output: join(directory, "output"),
      pattern: "p2p",
      port: String(await freePort(ip)),
      timeout: "1m0s",
      totallimit: "40M",
      url: file.url,
    });
    const spell = SPELLINGS[spelling]!;
    const args = Object.entries(value).flatMap(([flag, text]) => spell(flag, text));
    finished = await run(scratch, [
      ...ourProgram("dfget"),
      ...args,
      ...spell("header", "Accept: a/b, c/d"),
      ...spell("header", "X-Two:2"),
      ...["--dfdaemon", "--insecure", "--verbose", "--console"],
    ]);
    registered = supernode.registrations[0] ?? {};
    const servers = await scratch.peerServers();
    server = servers.find(({ command }) => command.includes(ip))?.command ?? "";
    log = await readFile(join(value.home!, "logs/dfclient.log"), "utf8");
  }, 60_000);

  it("bring the file", async () => {
    expect(finished, finished.output).toMatchObject({ code: 0 });
    expect(file.content.equals(await readFile(value.output!))).toBe(true);
  });

  /** What shows that a flag has done its work. */
  const EFFECTS: Partial<Record<DfgetFlag, () => void | Promise<void>>> = {
    alivetime: () => expect(server).toContain("--alivetime 1m30s"),
    cacerts: async () => {
      const pem = (await readFile(value.cacerts!.split(",")[0]!)).toString("base64");
      expect(registered.rootCAs).toEqual([pem, pem]);
    },
    callsystem: () => expect(registered.callSystem).toBe("my call"),
    console: () => expect(finished.stderr).toContain("dragonfly.dfclient"),
    dfdaemon: () => expect(registered.dfdaemon).toBe(true),
    expiretime: () => expect(server).toContain("--expiretime 45s"),
    filter: () =>
      expect(registered.taskUrl).toBe(file.url.replace("sign=1&", "").replace("&time=3", "")),
    header: () => expect(registered.headers).toEqual(["Accept:a/b, c/d", "X-Two:2"]),
    home: () => expect(finished.stdout.toString()).toContain(`workspace:${value.home}\n`),
    identifier: () => expect(registered.identifier).toBe("edition 2"),
    insecure: () => expect(registered.insecure).toBe(true),
    ip: () => expect(registered.ip).toBe(value.ip),
    node: () => expect(supernode.registrations.length).toBeGreaterThan(0),
    output: () => access(value.output!),
    port: () => expect(registered.port).toBe(Number(value.port)),
    url: () => expect(registered.rawUrl).toBe(file.url),
    verbose: () => expect(server).toMatch(/ --verbose$/),
  };
  it.each(Object.entries(EFFECTS))("--%s", (_flag, effect) => effect());

  it("leave the secrets of the URL out of the log", () => {
    expect(log).not.toContain("sign=1");
  });
});

describe("a switch of dfget", () => {
  /** Runs dfget and gives back what it said to the supernode. */
  async function register(...flags: string[]): Promise<Registration> {
    const supernode = await ScriptedSupernode.start(scratch);
    const { url } = source.add(`switched-${supernode.node}`, 10);
    const home = await scratch.directory(`switched-${supernode.node}`);
    const args = ["-u", url, "-o", join(home, "out"), "--home", home, "-n", supernode.node];
    // By this pattern no peer server is started.
    const all = [...args, "--ip", freshAddress(), "-p", "cdn", ...flags];
    const finished = await run(scratch, [...ourProgram("dfget"), ...all]);
    expect(finished, finished.output).toMatchObject({ code: 0 });
    return supernode.registrations[0] ?? {};
  }

  it.concurrent.each([
    [["--insecure=true"], { insecure: true }],
    [["--insecure=1", "--dfdaemon=t"], { insecure: true, dfdaemon: true }],
    [["--insecure", "--insecure=false"], {}],
    [["--dfdaemon=0"], {}],
  ])("%j", async (flags, expected) => {
    const { insecure, dfdaemon } = await register(...flags);
    expect({ insecure, dfdaemon }).toEqual({
      insecure: undefined,
      dfdaemon: undefined,
      ...expected,
    });
  });

  it("of which the last of several nodes lists counts, as in v1", async () => {
    const other = await ScriptedSupernode.start(scratch);
    const registered = await register("--node", other.node);
    expect(registered).toEqual({});
    expect(other.registrations.length).toBeGreaterThan(0);
  });
});

it("takes a dfget.yml with all of v1's keys", async () => {
  const supernode = await ScriptedSupernode.start(scratch);
  const file = source.add("configured", 10);
  const home = await scratch.directory("configured");
  const config = join(home, "dfget.yml");
  await writeFile(
    config,
    `nodes:\n  - ${supernode.node}=2\nlocalLimit: 20M\nminRate: 512\ntotalLimit: 40M\nclientQueueSize: 6\n` +
      `workHome: ${home}/work\nlogConfig: {maxSize: 1, maxBackups: 2, path: ${home}/own.log}\n`,
  );
  const args = ["-u", file.url, "-o", join(home, "out"), "--ip", freshAddress(), "-p", "cdn"];
  const finished = await run(scratch, [...ourProgram("dfget"), ...args, "--config", config]);
  expect(finished, finished.output).toMatchObject({ code: 0 });
  expect(finished.stdout.toString()).toContain(`workspace:${home}/work\n`);
  expect(supernode.registrations.length).toBeGreaterThan(0);
  expect(await readFile(join(home, "own.log"), "utf8")).toContain("to the source");
});

it("takes a file named like a flag behind --output, and -- for the end of flags", async () => {
  const file = source.add("dashes", 10);
  const home = await scratch.directory("dashes");
  await writeFile(join(home, "unrelated"), "");
  const args = ["--home", home, "-p", "source", "--output", "--notbs", "--", file.url];
  const finished = await run(scratch, [...ourProgram("dfget"), ...args], { cwd: home });
  expect(finished, finished.output).toMatchObject({ code: 0 });
  expect(file.content.equals(await readFile(join(home, "--notbs")))).toBe(true);
});
