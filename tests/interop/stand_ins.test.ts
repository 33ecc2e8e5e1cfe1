import { chmod, cp, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** Programs of ours by the names of the Go ones. */
const STAND_INS = join(import.meta.dirname, "stand_ins");

/** What vitest writes about a run. */
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: {
    assertionResults: { status: string; fullName: string; failureMessages: string[] }[];
  }[];
}

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.open("stand-ins");
});
afterAll(() => scratch?.close());

/** Runs tests of this folder with the programs in `folder` for v1's. */
async function runSuite(folder: string, files: readonly string[], names: string): Promise<Report> {
  const report = join(scratch.dir, `report-${files.join("-")}.json`);
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const finished = await run(
    scratch,
    [
      ...[process.execPath, vitest, "run", "--project", "side by side", "--testNamePattern", names],
      ...["--reporter", "json", "--outputFile", report],
      ...files.map((file) => `tests/interop/${file}.test.ts`),
    ],
    { cwd: ROOT, env: { DRAGONFLY_V1_BIN: folder } },
  );
  return JSON.parse(
    await readFile(report, "utf8").catch(() => {
      throw new Error(`the suite said nothing: ${finished.output}`);
    }),
  );
}

function failures({ testResults }: Report): string[] {
  return testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === "failed")
    .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages.join("\n")}`);
}

// Where the Go programs are not, so that nobody finds the suite broken on the day when they are.
describe("this suite, with programs of ours for v1's", () => {
  it("passes", async () => {
    const names = [
      "CDN pattern 'local' 1 B, by two clients",
      "started by 'go', used by 'ours' serves what the other has fetched",
      "dfdaemon 'go', dfget 'ours', supernode 'ours', CDN pattern 'local'",
    ];
    const files = ["downloads", "shared_peer_server", "dfdaemon"];
    const report = await runSuite(STAND_INS, files, names.join("|"));
    expect(failures(report)).toEqual([]);
    // Two pairs of dfget and supernode, one peer server, one dfdaemon.
    expect(report.numPassedTests).toBe(4);
  }, 300_000);

  it("fails where one of them does not do its work", async () => {
    const folder = join(scratch.dir, "broken");
    await cp(STAND_INS, folder, { recursive: true });
    await writeFile(join(folder, "dfget"), "#!/bin/sh\necho download SUCCESS reason:0\n");
    await chmod(join(folder, "dfget"), 0o755);
    const report = await runSuite(folder, ["flags"], "dfget 'go', .* --md5 that is right");
    expect(failures(report)).toEqual([expect.stringContaining("ENOENT")]);
  }, 300_000);
});
