import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { ourProgram } from "../support/our_programs.ts";
import { run } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import { ScriptedSupernode } from "./scripted_supernode.ts";

let scratch: Scratch;
let source: Source;
beforeAll(async () => {
  scratch = await Scratch.open("dfget-outcomes");
  source = await Source.start(scratch);
});
afterAll(() => scratch?.close());

async function dfget(...args: string[]) {
  return startDfget(scratch, await dfgetHost(scratch), args).finished();
}

describe("dfget's exit codes", () => {
  it("1, and how to get help, where nothing is asked for at all", async () => {
    const finished = await run(scratch, ourProgram("dfget"));
    expect(finished).toMatchObject({ code: 1 });
    expect(finished.stderr.trim().split("\n")).toEqual([
      expect.stringContaining("--url"),
      expect.stringContaining("dfget --help"),
    ]);
  });

  const URL = "http://127.0.0.1:1/x";
  it.concurrent.each([
    [["-u", URL, "--md5", "0".repeat(32), "--identifier", "i"], "--md5 and --identifier"],
    [["-u", URL, "--showbar", "--console"], "--showbar and --console"],
    [["-u", URL, "--clientqueue", "many"], "--clientqueue"],
    [["-u", URL, "--minrate", "slow"], "--minrate"],
    [["-u", URL, "--totallimit", "some"], "--totallimit"],
    [["-u", URL, "--expiretime", "never"], "--expiretime"],
    [["-u", URL, "--alivetime", "-1s"], "--alivetime"],
    [["-u", URL, "--cacerts", "/nowhere.pem"], "/nowhere.pem"],
    [["-u", URL, "-o", "/"], "--output / is a directory"],
    [["-u", "http://127.0.0.1:1/"], "--output"],
    [["-u", "not a url"], "--url"],
    [["-u"], "argument missing"],
    [["-u", URL, "--port", "15000000"], "--port"],
  ])("1 for %j", async (args, said) => {
    const finished = await dfget(...args);
    expect(finished, finished.output).toMatchObject({ code: 1 });
    expect(finished.stderr).toContain(said);
    expect(finished.stderr).not.toMatch(/\n\s+at /);
  });

  it("78 (1102) for a work home that cannot be used", async () => {
    const file = join(scratch.dir, "file");
    await writeFile(file, "");
    const finished = await dfget("-u", URL, "-o", "out", "--home", join(file, "home"));
    expect(finished, finished.output).toMatchObject({ code: 78 });
    expect(finished.output).toContain(file);
  });

  it("80 (1104) for a source that says no", async () => {
    const finished = await dfget("-u", `${source.url}/absent`, "-o", "out", "-p", "source");
    expect(finished, finished.output).toMatchObject({ code: 80 });
    expect(finished.stdout.toString()).toMatch(/download FAIL\(1104\) .*404/);
  });

  it("80 (1104) and reason 1001 where --notbs forbids the source", async () => {
    const { node } = await ScriptedSupernode.start(scratch);
    const file = source.add("forbidden", 10);
    const finished = await dfget("-u", file.url, "-o", "out", "-n", node, "--notbs");
    expect(finished, finished.output).toMatchObject({ code: 80 });
    expect(finished.stdout.toString()).toContain("not back source: 1001");
    expect(file.sent()).toBe(0);
  });

  it("96 (608) where the supernode says that credentials are needed", async () => {
    const supernode = await ScriptedSupernode.start(scratch, () => ({
      body: { code: 608, msg: "need auth" },
    }));
    const file = source.add("secret", 10);
    const finished = await dfget("-u", file.url, "-o", "out", "-n", supernode.node);
    expect(finished, finished.output).toMatchObject({ code: 96 });
    expect(finished.stdout.toString()).toContain("download FAIL(608)");
  });
});

describe("dfget's patterns", () => {
  it("cdn: registers as one who serves nobody", async () => {
    const supernode = await ScriptedSupernode.start(scratch);
    const file = source.add("by-cdn", 10);
    const finished = await dfget("-u", file.url, "-o", "out", "-n", supernode.node, "-p", "cdn");
    expect(finished, finished.output).toMatchObject({ code: 0 });
    expect(supernode.registrations[0]).toMatchObject({ pattern: "cdn", port: 0 });
  });

  it("source: asks no supernode", async () => {
    const supernode = await ScriptedSupernode.start(scratch);
    const file = source.add("by-source", 10);
    const finished = await dfget("-u", file.url, "-o", "out", "-n", supernode.node, "-p", "source");
    expect(finished, finished.output).toMatchObject({ code: 0 });
    expect(finished.stdout.toString()).toMatch(/SUCCESS .* reason:100\n/);
    expect(supernode.registrations).toEqual([]);
  });
});

it("--showbar shows how far it is, where nobody sees a bar line by line", async () => {
  const file = source.add("shown", 1000);
  const finished = await dfget("-u", file.url, "-o", "out", "-p", "source", "-b");
  expect(finished, finished.output).toMatchObject({ code: 0 });
  expect(finished.stderr).toContain("% from peers");

  // On a terminal of its own, below the lines that say what is done.
  const command = [...ourProgram("dfget"), "-u", file.url, "-o", "again", "-p", "source"].join(" ");
  const shown = await run(scratch, [
    ...["script", "--quiet", "--return", "--command", command, "/dev/null"],
  ]);
  expect(shown, shown.output).toMatchObject({ code: 0 });
  expect(shown.stdout.toString()).toMatch(
    /\nsign:[^%]*\n[^\n]*=+ 100% [^\n]* 0:00 left .*% from peers/,
  );
});
