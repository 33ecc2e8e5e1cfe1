import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MIN_PIECE_SIZE } from "../../protocol/piece_size.ts";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";

describe("a supernode restarted with a cache on disk, CDN pattern local", () => {
  let scratch: Scratch;
  let source: Source;
  let supernode: Supernode;

  beforeAll(async () => {
    scratch = await Scratch.open("supernode-restart");
    source = await Source.start(scratch);
    supernode = await startSupernode(scratch, { cdnPattern: "local" });
  });
  afterAll(() => scratch?.close());

  /** On a new host, which has the file from the supernode or from nobody. */
  async function download(file: SourceUrl, ...flags: string[]): Promise<void> {
    const host = await dfgetHost(scratch);
    const output = `${host.home}/output`;
    const args = ["-u", file.url, "-o", output, "--node", supernode.node, ...flags];
    const dfget = await startDfget(scratch, host, args).finished();
    expect(dfget, dfget.output).toMatchObject({ code: 0 });
    expect(dfget.output).toContain("reason:0");
    expect(file.content.equals(await readFile(output))).toBe(true);
  }

  it.each<NodeJS.Signals>(["SIGTERM", "SIGKILL"])(
    "by %s serves what it has, without the source's sending it again",
    async (signal) => {
      const file = source.add(`whole-${signal}`, 10 * MB);
      await download(file, "--pattern", "cdn");
      const sent = file.sent();
      await supernode.restart(signal);
      await download(file, "--pattern", "cdn");
      // To see whether Range is known, one byte is asked for.
      expect(file.sent() - sent).toBeLessThanOrEqual(16);
    },
  );

  it("goes on where it was when it was killed", async () => {
    const file = source.add("partial", 24 * MB, { bytesPerSecond: 8 * MB });
    const host = await dfgetHost(scratch);
    const args = ["-u", file.url, "-o", `${host.home}/output`, "--node", supernode.node];
    const interrupted = startDfget(scratch, host, args);
    await interrupted.until("half of it is fetched", () => file.sent() > file.size / 2);
    await interrupted.stop("SIGKILL");
    await supernode.restart("SIGKILL");
    file.change({ bytesPerSecond: Number.POSITIVE_INFINITY });
    await download(file);
    // What was on its way, or in a piece not yet whole, comes twice.
    expect(file.sent()).toBeLessThanOrEqual(file.size + 2 * MIN_PIECE_SIZE);
  });

  it("fetches anew what has changed at the source", async () => {
    const file = source.add("changing", 10 * MB);
    await download(file);
    await supernode.restart();
    const changed = source.add("changing", 10 * MB);
    expect(changed.md5).not.toBe(file.md5);
    await download(changed);
  });

  it("drains and ends within 5 s of SIGTERM, a download under way", async () => {
    const file = source.add("slow", 20 * MB, { bytesPerSecond: MB });
    const host = await dfgetHost(scratch);
    const args = ["-u", file.url, "-o", `${host.home}/output`, "--node", supernode.node];
    const dfget = startDfget(scratch, host, args);
    await dfget.until("bytes flow", () => file.sent() > MB);
    // It is killed after the limit, which then shows.
    const exit = await supernode.process.stop("SIGTERM", 5000);
    expect(exit).toEqual({ code: 0, signal: null });
    await dfget.stop("SIGKILL");
  });
});
