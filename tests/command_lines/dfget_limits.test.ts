import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freshAddress } from "../support/addresses.ts";
import { type DfgetHost, dfgetHost, startDfget } from "../support/dfget.ts";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import { startSupernode } from "../support/supernode.ts";
import { ScriptedSupernode } from "./scripted_supernode.ts";

let scratch: Scratch;
let source: Source;
beforeAll(async () => {
  scratch = await Scratch.open("dfget-limits");
  source = await Source.start(scratch);
});
afterAll(() => scratch?.close());

/** Runs `action` and says how many seconds it took. */
async function seconds(action: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await action();
  return (performance.now() - startedMs) / 1000;
}

/** Serves by `handler` on an address of its own. */
async function serveBy(
  handler: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<{ address: string; port: number }> {
  const address = freshAddress();
  const server = createServer((request, response) => void handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  scratch.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  return { address, port: (server.address() as AddressInfo).port };
}

// What they wait for is time: they wait together.
describe.concurrent("dfget's limits of rate", () => {
  let node: string;
  beforeAll(async () => {
    node = (await startSupernode(scratch, { cdnPattern: "local" })).node;
  });

  it.each([
    ["--locallimit", ["-n"]],
    ["--locallimit without p2p", ["-p", "source", "-n"]],
  ])("%s: so many bytes a second, for one download", async (name, flags) => {
    const file = source.add(name.replace(/\W/g, "_"), 5 * MB);
    const host = await dfgetHost(scratch);
    const args = ["-u", file.url, "-o", "out", "-s", "1M", ...flags, node];
    const taken = await seconds(async () => {
      const finished = await startDfget(scratch, host, args).finished();
      expect(finished, finished.output).toMatchObject({ code: 0 });
    });
    expect(taken).toBeGreaterThan(5 / 1 / 2);
  });

  it("--totallimit: for all downloads of a host, also those that begin later", async () => {
    const host = await dfgetHost(scratch);
    const names = ["a", "b", "c"];
    const taken = await seconds(async () => {
      const running = names.map((name) => {
        const file = source.add(`total-${name}`, 2 * MB);
        const args = ["-u", file.url, "-o", join(host.home, name), "-n", node];
        return startDfget(scratch, host, [...args, "--totallimit", "1M"]);
      });
      for (const program of running) {
        const finished = await program.finished();
        expect(finished, finished.output).toMatchObject({ code: 0 });
      }
    });
    expect(taken).toBeGreaterThan((names.length * 2) / 1 / 2);
  });

  it("--uploadlimit: for all that a host hands to others", async () => {
    const { node: direct } = await startSupernode(scratch, { cdnPattern: "source" });
    const file = source.add("upload", 4 * MB);
    const [giver, taker] = [await dfgetHost(scratch), await dfgetHost(scratch)];
    const get = async (host: DfgetHost, ...flags: string[]) => {
      const args = ["-u", file.url, "-o", "out", "-s", "0", ...flags, "-n", direct];
      const finished = await startDfget(scratch, host, args).finished();
      expect(finished, finished.output).toMatchObject({ code: 0 });
    };
    await get(giver, "--uploadlimit", "1M");
    const sent = file.sent();
    expect(await seconds(() => get(taker))).toBeGreaterThan(4 / 1 / 2);
    // All of it came from the one that is limited.
    expect(file.sent()).toBe(sent);
  });
});

/** A supernode with a file of `pieces` pieces of 1 MiB, all at one peer; it asks for the source's help after a failure. */
function swarmOf(pieces: number, peer: { address: string; port: number; path: string }) {
  const pieceSize = MB;
  return ScriptedSupernode.start(scratch, (target) => {
    const query = target.searchParams;
    if (target.pathname === "/peer/registry") {
      const data = { taskId: "t", fileLength: pieces * pieceSize, pieceSize, cdnSource: "source" };
      return { body: { code: 200, data } };
    }
    if (target.pathname !== "/peer/task") return { body: { code: 611 } };
    if (query.get("result") === "500") return { body: { code: 610, msg: "it failed" } };
    const data = Array.from({ length: pieces }, (_, pieceNum) => ({
      range: `${pieceNum * pieceSize}-${(pieceNum + 1) * pieceSize - 1}`,
      pieceNum,
      pieceSize,
      pieceMd5: "",
      cid: "peer",
      peerIp: peer.address,
      peerPort: peer.port,
      path: peer.path,
    }));
    return { body: { code: 601, data } };
  });
}

// 10 s are given to each way besides, which they wait for together.
describe.concurrent("dfget's lowest rate", () => {
  /** Runs dfget with these flags on a file that takes 13 s, or as given; it ends with `code`. */
  async function dfgetEnds(
    name: string,
    code: number,
    flags: readonly string[],
    bytesPerSecond = MB / 13,
  ): Promise<string> {
    const file = source.add(`lowest-rate-${name}`, MB, { bytesPerSecond });
    const host = await dfgetHost(scratch);
    const args = ["-u", file.url, "-o", "out", ...flags];
    const finished = await startDfget(scratch, host, args).finished();
    expect(finished, finished.output).toMatchObject({ code });
    return finished.stdout.toString();
  }

  it("--minrate gives p2p up that is slower: reason 3", async () => {
    const { node } = await startSupernode(scratch, { cdnPattern: "local" });
    const said = await dfgetEnds("p2p", 80, ["-n", node, "--notbs", "--minrate=1G"]);
    expect(said).toContain("not back source: 1003");
  });

  it("--minrate gives the source up that is slower, by code 80", async () => {
    const said = await dfgetEnds("source", 80, ["-p", "source", "--minrate=1G"]);
    expect(said).toMatch(/error:slower than 1GB a second \(--minrate\): 1048576 bytes were/);
  });

  it("is none where --timeout says how long it may take", async () => {
    await dfgetEnds("timeout", 0, ["-p", "source", "--minrate=1G", "-e", "1m"]);
  });

  it("of 0 is the usual one", async () => {
    const { node } = await startSupernode(scratch, { cdnPattern: "local" });
    const said = await dfgetEnds("usual", 0, ["-n", node, "--minrate=0"], 10 * MB);
    expect(said).toMatch(/SUCCESS .* reason:0\n/);
  });
});

describe.concurrent("dfget's patience", () => {
  it("--timeout ends a download that takes longer, by code 80", async () => {
    const file = source.add("slow", 10 * MB, { bytesPerSecond: MB / 4 });
    const host = await dfgetHost(scratch);
    const args = ["-u", file.url, "-o", "out", "-p", "source", "-e", "1s"];
    const finished = await startDfget(scratch, host, args).finished();
    expect(finished, finished.output).toMatchObject({ code: 80 });
    expect(finished.output).toContain("not done within 1000 ms");
    expect(file.sent()).toBeLessThan(file.size);
  });

  it("--minrate gives a peer up that is slower", async () => {
    // At 64 KiB/s, the default, this peer would have more time than --timeout leaves.
    const peer = await serveBy(async (_request, response) => {
      response.writeHead(206, { "Content-Length": MB });
      while (!response.destroyed) {
        response.write(Buffer.alloc(1024));
        await sleep(100);
      }
    });
    const supernode = await swarmOf(1, { ...peer, path: "/peer/file/slow" });
    const file = source.add("quick", MB);
    const host = await dfgetHost(scratch);
    const args = ["-u", file.url, "-o", "out", "-n", supernode.node];
    const finished = await startDfget(scratch, host, [
      ...args,
      "--minrate=1G",
      "-e",
      "16s",
    ]).finished();
    expect(finished, finished.output).toMatchObject({ code: 0 });
    expect(finished.stdout.toString()).toMatch(/SUCCESS .* reason:10\n/);
  });

  it.each([
    ["1", 1],
    ["3", 3],
    ["0", 6],
  ])("--clientqueue %s: %i pieces at once", async (queue, expected) => {
    let atOnce = 0;
    let most = 0;
    const peer = await serveBy(async (_request, response) => {
      most = Math.max(most, ++atOnce);
      // Long enough for all others that may come.
      await sleep(500);
      atOnce--;
      response.writeHead(206, { "Content-Length": MB }).end(Buffer.alloc(MB));
    });
    const supernode = await swarmOf(8, { ...peer, path: "/peer/file/x" });
    const host = await dfgetHost(scratch);
    const url = source.add(`queue-${queue}`, MB).url;
    const args = ["-u", url, "-o", "out", "-n", supernode.node, "--clientqueue", queue];
    // The script never says finished: what counts is how many were asked for together.
    const dfget = startDfget(scratch, host, args);
    await dfget.until("all are asked for", () => most >= expected);
    await sleep(700);
    await dfget.stop();
    expect(most).toBe(expected);
  });
});
