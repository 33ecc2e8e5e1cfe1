import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { aboutOnce } from "../support/about_once.ts";
import { type DfgetHost, dfgetHost, startDfget } from "../support/dfget.ts";
import { filesBelow } from "../support/files_below.ts";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { type Behaviour, Source, type SourceUrl } from "../support/source.ts";
import { type CdnPattern, type Supernode, startSupernode } from "../support/supernode.ts";

describe.each<CdnPattern>(["local", "source"])("dfget, CDN pattern %s", (cdnPattern) => {
  let scratch: Scratch;
  let supernode: Supernode;
  let source: Source;
  let host: DfgetHost;

  beforeAll(async () => {
    scratch = await Scratch.open("dfget-sources");
    supernode = await startSupernode(scratch, { cdnPattern });
    source = await Source.start(scratch);
    host = await dfgetHost(scratch);
  });
  afterAll(() => scratch?.close());

  const start = async (file: SourceUrl, ...flags: string[]) => {
    const name = new URL(file.url).pathname.slice(1);
    const directory = await scratch.directory("outputs", name);
    const args = ["-u", file.url, "-o", `${directory}/file`, "--node", supernode.node, ...flags];
    return { directory, program: startDfget(scratch, host, args) };
  };

  const kinds: [string, Behaviour][] = [
    ["that knows no Range", { ranges: false }],
    ["that sends chunks and no length", { length: false, ranges: false }],
    ["that sends chunks and knows Range", { length: false }],
    ["that dies half-way once", { deaths: 1 }],
    ["that dies half-way once and knows no Range", { deaths: 1, ranges: false }],
    ["that dies half-way twice", { deaths: 2 }],
  ];
  it.each(kinds)("brings the file whole from a source %s", async (name, behaviour) => {
    const file = source.add(name.replaceAll(" ", "-"), 10 * MB, behaviour);
    const { program, directory } = await start(file);
    const dfget = await program.finished();
    expect(dfget, dfget.output).toMatchObject({ code: 0 });
    const content = await readFile(`${directory}/file`);
    expect(file.content.equals(content)).toBe(true);
  });

  it("fails with code 80, and without half a file, when the source always dies", async () => {
    const file = source.add("dies-always", 10 * MB, { deaths: 1_000_000, ranges: false });
    const { program, directory } = await start(file);
    const dfget = await program.finished();
    expect(dfget, dfget.output).toMatchObject({ code: 80 });
    expect(dfget.stdout.toString()).toContain("download FAIL(1104)");
    expect(await filesBelow(directory)).toEqual([]);
  });

  it("fails with code 80, and without a file, where the source gives other bytes than a blob's URL says", async () => {
    const file = source.add(`v2/x/blobs/sha256:${"a".repeat(64)}`, 3 * MB);
    const output = `${await scratch.directory("outputs", "wrong")}/file`;
    const args = ["-u", file.url, "-o", output, "--node", supernode.node];
    const dfget = await startDfget(scratch, host, args).finished();
    expect(dfget, dfget.output).toMatchObject({ code: 80 });
    expect(await filesBelow(dirname(output))).toEqual([]);
  });

  it("fails with code 80 for a file that is not there", async () => {
    const file = source.add("there", 1);
    const missing = { ...file, url: `${source.url}/missing` };
    const { program, directory } = await start(missing);
    const dfget = await program.finished();
    expect(dfget, dfget.output).toMatchObject({ code: 80 });
    expect(dfget.output).toContain("404");
    expect(await filesBelow(directory)).toEqual([]);
  });

  it("fails with code 80 where the source wants credentials, and brings the file with them", async () => {
    const authorization = `Basic ${Buffer.from("user:planted-password").toString("base64")}`;
    const file = source.add("private", 10 * MB, { authorization });
    const refused = await (await start(file)).program.finished();
    expect(refused, refused.output).toMatchObject({ code: 80 });
    expect(refused.output).toContain("401");

    const { program, directory } = await start(file, "--header", `Authorization: ${authorization}`);
    const dfget = await program.finished();
    expect(dfget, dfget.output).toMatchObject({ code: 0 });
    expect(file.content.equals(await readFile(`${directory}/file`))).toBe(true);
    expect(dfget.output).not.toContain(authorization);
  });

  it("brings one file to three hosts that ask at the same moment, each byte once", async () => {
    const file = source.add("popular", 40 * MB);
    const hosts = [host, await dfgetHost(scratch), await dfgetHost(scratch)];
    await Promise.all(
      hosts.map(async (each, index) => {
        const output = `${await scratch.directory("outputs", `popular${index}`)}/file`;
        const args = ["-u", file.url, "-o", output, "--node", supernode.node];
        const dfget = await startDfget(scratch, each, args).finished();
        expect(dfget, dfget.output).toMatchObject({ code: 0 });
        expect(file.content.equals(await readFile(output))).toBe(true);
      }),
    );
    expect(file.sent()).toBeLessThanOrEqual(aboutOnce(file.size));
  });
});
