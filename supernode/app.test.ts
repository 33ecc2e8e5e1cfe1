import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { seedFilePath } from "../protocol/names.ts";
import { SWARM_VERSION } from "../protocol/swarm/messages.ts";
import type { PieceTask } from "../protocol/v1/pull_piece.ts";
import { type RunningServer, serve } from "../runtime/serve.ts";
import { type CoreConfig, createSupernode, type Supernode } from "./app.ts";
import { SILENT } from "./observer.ts";
import { type SourceFile, SourceServer, transcriptContent } from "./testing/source_server.ts";
import { V1Client } from "./testing/v1_client.ts";

const THREE = transcriptContent(10_000_000);
const PIECE = 4_194_304;

let home: string;
let source: SourceServer;
const open: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "supernode-"));
  source = await SourceServer.start();
  source.files.set("/three", { bytes: THREE, etag: '"v1"' });
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  await source.close();
  await rm(home, { recursive: true });
});

interface Running {
  core: Supernode;
  api: string;
  files: string;
  seeded: { downloads: number; hits: number; bytes: number };
  close(): Promise<void>;
}

async function start(
  config: Partial<CoreConfig> = {},
  now?: () => number,
  steadyNow = now,
): Promise<Running> {
  const seeded = { downloads: 0, hits: 0, bytes: 0 };
  const core = createSupernode({
    config: {
      cdnPattern: "local",
      homeDir: home,
      downloadPort: 0,
      advertiseIp: "127.0.0.1",
      peerUpLimit: 5,
      peerDownLimit: 4,
      eliminationLimit: 5,
      failureCountLimit: 5,
      failAccessIntervalMs: 180_000,
      maxBandwidth: 0,
      systemReservedBandwidth: 0,
      schedulerCorePoolSize: 10,
      hostAliases: {},
      ...config,
    },
    observer: {
      ...SILENT,
      cdnDownload: () => (seeded.downloads += 1),
      cdnCacheHit: () => (seeded.hits += 1),
      sourceBytes: (bytes) => (seeded.bytes += bytes),
    },
    ...(now && steadyNow ? { now, steadyNow } : {}),
  });
  const app = new Hono();
  app.route("/", core.legacy);
  app.route("/", core.swarm);
  app.route("/", core.filePort);
  const server: RunningServer = await serve({
    fetch: app.fetch as Parameters<typeof serve>[0]["fetch"],
    hostname: "127.0.0.1",
    port: 0,
  });
  core.listening({ downloadPort: server.port });
  const url = `http://127.0.0.1:${server.port}`;
  const close = async () => {
    await server.close();
    await core.close();
  };
  open.push(close);
  return {
    core,
    api: url,
    files: url,
    seeded,
    async close() {
      open.splice(open.indexOf(close), 1);
      await close();
    },
  };
}

function client(supernode: Running, path: string, more: object = {}): V1Client {
  const created = new V1Client({ api: supernode.api, url: source.url(path), ...more });
  open.push(() => created.close());
  return created;
}

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("CDN pattern local", () => {
  it("gives out a file as v1 does (local-cold-three)", async () => {
    const supernode = await start();
    const one = client(supernode, "/three");
    expect(Buffer.compare(await one.download(), THREE)).toBe(0);
    expect(one.task).toMatchObject({
      fileLength: 10_000_000,
      pieceSize: PIECE,
      cdnSource: "supernode",
      asSeed: false,
      seedTaskID: "",
    });
    expect(one.finished).toEqual({
      fileLength: 10_000_015,
      md5: "3e5918c56bfcad7db13d694af0c41641",
    });
    const task = supernode.core.store.task(one.task!.taskId)!;
    // transcript local-cold-three
    expect([...one.sums].sort()).toEqual([
      [0, "a80a084284925836375dfed7efd21683:4194304"],
      [1, "c5ca342c6ca2c18777181ca253199bec:4194304"],
      [2, "5bbc068e0ddf26ce3581fc4aa5ecb7a4:1611407"],
    ]);
    expect(source.sent("/three")).toBe(10_000_000);
    expect(task.cdnStatus).toBe("SUCCESS");
    expect([...supernode.core.store.clients()].map(({ state }) => state)).toEqual(["SUCCESS"]);
  });

  it("gives sha256s to a client that checks pieces by them, and hashes nothing by md5 for it", async () => {
    const supernode = await start();
    const ours = client(supernode, "/three", { more: { pieceSha256: true } });
    await ours.register();
    const task = supernode.core.store.task(ours.task!.taskId)!;
    await until(() => task.cdnStatus === "SUCCESS");
    const answer = await ours.pull("&status=700&result=502");
    const [piece] = answer.data as PieceTask[];
    expect(piece).toMatchObject({ pieceMd5: "", pieceSha256: task.pieceSums[piece!.pieceNum] });
    expect(task.realMd5).toBe("");
    const theirs = client(supernode, "/three");
    expect(Buffer.compare(await theirs.download(), THREE)).toBe(0);
    expect(theirs.finished!.md5).toBe(md5(THREE));
  });

  it("tells a v1 client of no copy that was spoilt behind its back", async () => {
    const supernode = await start();
    const ours = client(supernode, "/three", { more: { pieceSha256: true } });
    const { taskId } = await ours.register();
    const { store, cache } = supernode.core;
    await until(() => store.task(taskId)!.cdnStatus === "SUCCESS");
    const bytes = await readFile(cache.path(taskId));
    bytes[PIECE + 9]! ^= 1;
    await writeFile(cache.path(taskId), bytes);
    const theirs = client(supernode, "/three");
    await expect(theirs.download()).rejects.toThrow("code 500");
    expect([...theirs.pieces.keys()]).not.toContain(1);
    expect(Buffer.compare(await client(supernode, "/three").download(), THREE)).toBe(0);
  });

  it.each([
    ["/empty", 0, 1, { fileLength: 5, md5: "d41d8cd98f00b204e9800998ecf8427e" }],
    ["/one", 1, 1, { fileLength: 6 }],
    ["/p4m", 4_194_304, 2, { fileLength: 4_194_314 }],
    ["/p4m5", 4_194_299, 1, { fileLength: 4_194_304 }],
    ["/p4m1", 4_194_305, 2, { fileLength: 4_194_315, md5: "6127ef7c3247fefc35ddcb2c300965c3" }],
  ])("gives out %s of %i bytes in %i pieces", async (path, length, pieces, finished) => {
    const bytes = transcriptContent(length);
    source.files.set(path, { bytes });
    const one = client(await start(), path);
    expect(Buffer.compare(await one.download(), bytes)).toBe(0);
    expect(one.pieces.size).toBe(pieces);
    expect(one.finished).toMatchObject({ md5: md5(bytes), ...finished });
  });

  it("hands out pieces while the rest is still coming", async () => {
    source.files.get("/three")!.breakOff = { after: 5_000_000, times: 1 };
    const supernode = await start();
    const one = client(supernode, "/three");
    await one.register();
    const { store } = supernode.core;
    await until(() => store.task(one.task!.taskId)!.pieceSums.length > 0);
    expect(store.task(one.task!.taskId)!.cdnStatus).toBe("RUNNING");
    const answer = await one.pull("&status=700&result=502");
    expect(answer).toMatchObject({
      code: 601,
      data: [
        {
          range: "0-4194303",
          pieceNum: 0,
          pieceSize: PIECE,
          pieceMd5: "a80a084284925836375dfed7efd21683:4194304",
          cid: `cdnnode:127.0.0.1~${one.task!.taskId}`,
          peerIp: "127.0.0.1",
          path: expect.stringMatching(new RegExp(`^${seedFilePath(one.task!.taskId)}/[\\w-]{32}$`)),
          downLink: 0,
        },
      ],
    });
    await until(() => store.task(one.task!.taskId)!.cdnStatus === "SUCCESS");
  });

  it.each<[string, Omit<SourceFile, "bytes">, number, number]>([
    ["a source without Range", { ranges: false }, 1, 1],
    ["a source without a length", { chunked: true, headStatus: 405, ranges: false }, 2, 2],
    [
      "a source that dies half-way, and resumes",
      { breakOff: { after: 6_000_000, times: 1 } },
      2,
      1,
    ],
    [
      "a source that dies half-way, without Range",
      { ranges: false, breakOff: { after: 6_000_000, times: 1 } },
      2,
      1.6,
    ],
    [
      "a source without a length that dies half-way",
      { chunked: true, headStatus: 405, ranges: false, breakOff: { after: 6_000_000, times: 2 } },
      3,
      2.2,
    ],
    ["a source that refuses HEAD", { headStatus: 405 }, 2, 1],
  ])("copes with %s", async (_, behaviour, gets, copies) => {
    source.files.set("/odd", { bytes: THREE, etag: '"v1"', ...behaviour });
    const supernode = await start();
    const one = client(supernode, "/odd");
    expect(Buffer.compare(await one.download(), THREE)).toBe(0);
    expect(source.gets("/odd")).toHaveLength(gets);
    expect(supernode.seeded.bytes / THREE.byteLength).toBeLessThanOrEqual(copies);
    expect(supernode.core.store.task(one.task!.taskId)!.realMd5).toBe(md5(THREE));
  });

  it("follows a redirect without the credentials", async () => {
    const storage = await SourceServer.start();
    open.push(() => storage.close());
    storage.files.set("/object", { bytes: THREE });
    source.files.set("/moved", { bytes: THREE, location: storage.url("/object") });
    const one = client(await start(), "/moved", { headers: { Authorization: "Basic x" } });
    expect(Buffer.compare(await one.download(), THREE)).toBe(0);
    expect(source.requests.every(({ headers }) => headers.authorization === "Basic x")).toBe(true);
    expect(storage.requests.some(({ headers }) => headers.authorization)).toBe(false);
  });

  it("sends clients back when the source gives up", async () => {
    source.files.set("/broken", {
      bytes: THREE,
      breakOff: { after: 5_000_000, times: 99 },
      ranges: false,
    });
    const supernode = await start();
    await expect(client(supernode, "/broken").download()).rejects.toThrow("code 610");
    // A later registration tries again, and goes on with what is there.
    source.files.set("/broken", { bytes: THREE, ranges: false });
    expect(Buffer.compare(await client(supernode, "/broken").download(), THREE)).toBe(0);
  }, 20_000);

  it("takes a source that cannot be reached, and says so at the first pull", async () => {
    const supernode = await start();
    const gone = await SourceServer.start();
    const url = gone.url("/y");
    await gone.close();
    const one = new V1Client({ api: supernode.api, url });
    open.push(() => one.close());
    expect(await one.register()).toMatchObject({ fileLength: -1, pieceSize: PIECE });
    await until(() => supernode.core.store.task(one.task!.taskId)!.cdnStatus === "SOURCE_ERROR");
    expect(await one.pull("&status=700&result=502")).toMatchObject({ code: 610 });
  });

  it("verifies a promised md5", async () => {
    const supernode = await start();
    const right = client(supernode, "/three", { more: { md5: md5(THREE) } });
    expect(Buffer.compare(await right.download(), THREE)).toBe(0);
    const wrong = client(supernode, "/three", { more: { md5: "0".repeat(32) } });
    await expect(wrong.download()).rejects.toThrow("code 500");
    expect(wrong.task!.taskId).toBe(
      (await client(supernode, "/three", { more: { md5: "0".repeat(32) } }).register()).taskId,
    );
  });

  it("verifies the digest in a blob's URL", async () => {
    const hex = createHash("sha256").update(THREE).digest("hex");
    source.files.set(`/v2/x/blobs/sha256:${hex}`, { bytes: THREE });
    source.files.set(`/v2/y/blobs/sha256:${hex}`, { bytes: THREE.toReversed() });
    const supernode = await start();
    const right = client(supernode, `/v2/x/blobs/sha256:${hex}`);
    expect(Buffer.compare(await right.download(), THREE)).toBe(0);
    await expect(client(supernode, `/v2/y/blobs/sha256:${hex}`).download()).rejects.toThrow(
      "code 500",
    );
    await expect(readFile(join(home, "repo/download/nope"))).rejects.toThrow("ENOENT");
  });

  it("keeps to its bandwidth", async () => {
    const supernode = await start({
      maxBandwidth: 30_000_000,
      systemReservedBandwidth: 10_000_000,
    });
    const began = performance.now();
    await client(supernode, "/three").download();
    // 10 MB at 20 MB/s; a lower bound does not depend on the machine's load.
    expect(performance.now() - began).toBeGreaterThan(350);
  });
});

describe("a cache on disk", () => {
  it("is served after a restart while the source has the same version", async () => {
    const before = await start();
    await client(before, "/three").download();
    await before.close();
    const after = await start();
    expect(Buffer.compare(await client(after, "/three").download(), THREE)).toBe(0);
    expect(after.seeded).toEqual({ downloads: 0, hits: 1, bytes: 0 });
  });

  it.each<[string, SourceFile]>([
    ["another version", { bytes: THREE, etag: '"v2"' }],
    ["nothing to tell versions by", { bytes: THREE }],
  ])("is fetched anew when the source has %s", async (_, file) => {
    const before = await start();
    await client(before, "/three").download();
    await before.close();
    source.files.set("/three", file);
    const after = await start();
    expect(Buffer.compare(await client(after, "/three").download(), THREE)).toBe(0);
    expect(after.seeded).toEqual({ downloads: 1, hits: 0, bytes: THREE.byteLength });
  });

  it("is resumed where it broke off, spoilt pieces and all that follows fetched anew", async () => {
    const before = await start();
    const one = client(before, "/three");
    await one.download();
    const path = before.core.cache.path(one.task!.taskId);
    await before.close();
    await truncate(path, 2 * PIECE - 1);
    const after = await start();
    expect(Buffer.compare(await client(after, "/three").download(), THREE)).toBe(0);
    expect(after.seeded).toEqual({ downloads: 1, hits: 0, bytes: THREE.byteLength - PIECE + 5 });
    expect((await readFile(path)).byteLength).toBe(10_000_015);
    await after.close();

    const bytes = await readFile(path);
    bytes[PIECE + 9]! ^= 1;
    await writeFile(path, bytes);
    const again = await start();
    const last = client(again, "/three");
    expect(Buffer.compare(await last.download(), THREE)).toBe(0);
    expect(last.finished!.md5).toBe(md5(THREE));
    expect(again.seeded.bytes).toBe(THREE.byteLength - PIECE + 5);
  });

  it("goes on with a partial file after a stop in mid-download", async () => {
    source.files.get("/three")!.breakOff = { after: 9_000_000, times: 1 };
    const before = await start();
    const one = client(before, "/three");
    await one.register();
    await until(() => before.core.store.task(one.task!.taskId)!.pieceSums.length === 2);
    await before.close();
    expect(before.core.store.task(one.task!.taskId)!.cdnStatus).not.toBe("SUCCESS");
    const after = await start();
    expect(Buffer.compare(await client(after, "/three").download(), THREE)).toBe(0);
    expect(after.seeded.bytes).toBe(THREE.byteLength - 2 * (PIECE - 5));
    expect(source.gets("/three").at(-1)!.headers).toMatchObject({
      range: "bytes=8388598-",
      "if-range": '"v1"',
    });
  });

  it("is dropped and made anew when a client finds it spoilt", async () => {
    const supernode = await start();
    const one = client(supernode, "/three");
    await one.download();
    const { taskId } = one.task!;
    const { cache, store } = supernode.core;
    const report = (range: string) =>
      fetch(
        `${supernode.api}/peer/piece/error?taskId=${taskId}&srcCid=${one.cid}&dstCid=cdnnode:127.0.0.1~${taskId}&range=${range}&errorType=FILE_MD5_NOT_MATCH`,
      );
    await report("0-4194303");
    await truncate(cache.path(taskId), 100);
    expect((await report("0-4194303")).status).toBe(200);
    await until(() => store.task(taskId)!.cdnStatus === "FAILED");
    expect(Buffer.compare(await client(supernode, "/three").download(), THREE)).toBe(0);
    expect(source.gets("/three")).toHaveLength(2);
  });

  it("lists and drops its copies", async () => {
    const supernode = await start();
    const one = client(supernode, "/three");
    await one.download();
    const { cache } = supernode.core;
    expect(await cache.list()).toEqual([
      { taskId: one.task!.taskId, bytes: 10_000_015, lastAccessMs: expect.any(Number) },
    ]);
    expect(await cache.freeBytes()).toBeGreaterThan(0);
    await cache.drop(one.task!.taskId);
    expect(await cache.list()).toEqual([]);
  });
});

describe("CDN pattern source", () => {
  const pattern = { cdnPattern: "source" as const };

  it("sends a client to the source as v1 does (source-cold-three)", async () => {
    const supernode = await start(pattern);
    const one = client(supernode, "/three");
    expect(await one.register()).toMatchObject({ fileLength: 10_000_000, cdnSource: "source" });
    expect(await one.pull("&status=700&result=502")).toEqual({
      code: 601,
      data: [0, 1, 2].map((piece) => ({
        range: `${piece * PIECE}-${(piece + 1) * PIECE - 1}`,
        pieceNum: piece,
        pieceSize: PIECE,
        pieceMd5: "",
        cid: `cdnnode:127.0.0.1~${one.task!.taskId}`,
        peerIp: "127.0.0.1",
        peerPort: Number(new URL(supernode.api).port),
        path: source.url("/three"),
        downLink: 0,
      })),
    });
  });

  it("has the source send each byte once to clients that start together", async () => {
    const bytes = transcriptContent(40_000_000);
    source.files.set("/layer", { bytes, delayMs: 20 });
    const supernode = await start(pattern);
    const all = Array.from({ length: 6 }, () => client(supernode, "/layer"));
    const files = await Promise.all(all.map((one) => one.download()));
    for (const file of files) expect(Buffer.compare(file, bytes)).toBe(0);
    expect(source.sent("/layer")).toBe(bytes.byteLength);
    for (const one of all) expect(one.finished).toEqual({ md5: "", fileLength: 0 });
    expect(supernode.seeded.downloads).toBe(0);
  });

  const noLength = "failed to get file length";
  it.each<[string, string, SourceFile]>([
    ["without Range", "gives no parts of it", { bytes: THREE, ranges: false }],
    ["without a length", noLength, { bytes: THREE, chunked: true, headStatus: 405, ranges: false }],
    ["of nothing", noLength, { bytes: new Uint8Array() }],
  ])("refuses a file %s", async (_, why, file) => {
    source.files.set("/unfit", file);
    const supernode = await start(pattern);
    await expect(client(supernode, "/unfit").register()).rejects.toThrow(why);
  });

  it("serves a prefetched copy from the supernode, also after a restart", async () => {
    const file = { url: source.url("/three"), headers: {}, filter: [], identifier: "" };
    const before = await start(pattern);
    await before.core.prefetch(file);
    const one = client(before, "/three");
    expect(Buffer.compare(await one.download(), THREE)).toBe(0);
    expect(source.sent("/three")).toBe(THREE.byteLength);
    expect([...one.from.values()].every((from) => from.startsWith("cdnnode:"))).toBe(true);
    await before.close();
    const after = await start(pattern);
    expect(Buffer.compare(await client(after, "/three").download(), THREE)).toBe(0);
    expect(source.sent("/three")).toBe(THREE.byteLength);
    await after.core.prefetch(file);
    expect(after.seeded).toEqual({ downloads: 0, hits: 1, bytes: 0 });
  });

  it("lets clients wait for a prefetch under way rather than fetch twice", async () => {
    source.files.get("/three")!.delayMs = 100;
    const supernode = await start(pattern);
    const file = { url: source.url("/three"), headers: {}, filter: [], identifier: "" };
    const prefetched = supernode.core.prefetch(file);
    await until(() =>
      [...supernode.core.store.tasks()].some((task) => task.cdnStatus === "RUNNING"),
    );
    expect(Buffer.compare(await client(supernode, "/three").download(), THREE)).toBe(0);
    await prefetched;
    expect(source.sent("/three")).toBe(THREE.byteLength);
  });
});

describe("who may have a file", () => {
  it("is judged by each client's own credentials", async () => {
    const file = { bytes: THREE, authorizations: ["Basic a", "Basic b"] };
    source.files.set("/private", file);
    const supernode = await start();
    const as = (Authorization: string) =>
      client(supernode, "/private", { headers: { Authorization } });
    await as("Basic a").download();
    await expect(as("Basic wrong").register()).rejects.toThrow(/^500 .*authentication required/);
    await expect(client(supernode, "/private").register()).rejects.toThrow(/^500 /);
    expect(Buffer.compare(await as("Basic b").download(), THREE)).toBe(0);
    expect(JSON.stringify([...supernode.core.store.tasks()])).not.toContain("Basic");
  });

  it("is asked of the source once for all who come together, and again after a minute", async () => {
    let nowMs = Date.now();
    const supernode = await start({}, () => nowMs);
    const register = () => client(supernode, "/three").register();
    const heads = () => source.requests.filter(({ method }) => method === "HEAD").length;
    await Promise.all(Array.from({ length: 5 }, register));
    await register();
    expect(heads()).toBe(1);
    nowMs += 60_001;
    await register();
    expect(heads()).toBe(2);
  });

  it("is nobody's with credentials, a minute after the source was last reached", async () => {
    let nowMs = Date.now();
    const supernode = await start({}, () => nowMs);
    source.files.set("/private", { bytes: THREE, authorizations: ["Basic a"] });
    const as = { headers: { Authorization: "Basic a" } };
    const members = [0, 1, 2].map(() => client(supernode, "/private", as));
    const anybody = [0, 1].map(() => client(supernode, "/three"));
    await members[0]!.register();
    await anybody[0]!.register();
    await source.close();
    await members[1]!.register();
    nowMs += 60_001;
    await expect(members[2]!.register()).rejects.toThrow("cannot be asked about these credentials");
    await anybody[1]!.register();
  });

  it.each([
    ["a header that is not known", { "Private-Token": "a" }, ""],
    ["a signature", {}, "?X-Signature=a"],
  ])(
    "is nobody's who cannot be asked about, where %s may be what lets in",
    async (_, headers, query) => {
      const supernode = await start();
      await client(supernode, `/three${query}`, { headers }).register();
      const stranger = client(supernode, `/three${query}`, { headers: { Accept: "text/plain" } });
      await source.close();
      await expect(stranger.register()).rejects.toThrow("cannot be asked about these credentials");
    },
  );

  it("is not for one who came before the source could be asked, once another has the right", async () => {
    const supernode = await start({ schedulerCorePoolSize: 1 });
    const [right, cutsOff] = ["Basic right", "Basic cut"];
    source.files.set("/slow", { bytes: THREE, delayMs: 500 });
    source.files.set("/private", { bytes: THREE, authorizations: [right], cutsOff });
    await client(supernode, "/slow").register();
    const as = (Authorization: string) =>
      client(supernode, "/private", { headers: { Authorization } });
    // His own copy waits for its turn, and would be made with the rights of whoever has come by then.
    const early = as(cutsOff);
    await early.register();
    expect(Buffer.compare(await as(right).download(), THREE)).toBe(0);
    expect(await early.pull("&status=700&result=502")).toMatchObject({ code: 502 });
    await expect(as(cutsOff).register()).rejects.toThrow("cannot be asked about these credentials");
  });

  it("is not asked again of a dead URL for failAccessInterval, but is after a 401", async () => {
    let nowMs = Date.now();
    const supernode = await start({ failAccessIntervalMs: 1000 }, () => nowMs);
    source.files.set("/dead", { bytes: THREE, status: 404 });
    source.files.set("/auth", { bytes: THREE, status: 401 });
    for (const path of ["/dead", "/auth", "/dead", "/auth"])
      await expect(client(supernode, path).register()).rejects.toThrow(/^500 .*(url not|authen)/);
    expect(source.gets("/dead")).toHaveLength(1);
    source.files.set("/dead", { bytes: THREE });
    source.files.set("/auth", { bytes: THREE });
    await client(supernode, "/auth").register();
    await expect(client(supernode, "/dead").register()).rejects.toThrow("url not reachable");
    nowMs += 1001;
    await client(supernode, "/dead").register();
  });
});

describe("a file that changes at the source", () => {
  it("is refused while the old one is being distributed, and replaces it afterwards", async () => {
    let nowMs = Date.now();
    const supernode = await start({}, () => nowMs);
    const slow = client(supernode, "/three");
    await slow.register();
    await until(() => supernode.core.store.task(slow.task!.taskId)!.cdnStatus === "SUCCESS");
    source.files.set("/three", { bytes: THREE.subarray(0, 5000), etag: '"v2"' });
    const other = { headers: { "X-Other": "1" } };
    await expect(client(supernode, "/three", other).register()).rejects.toThrow(
      /^500 .*another file/,
    );
    nowMs += 61_000;
    const late = client(supernode, "/three", other);
    expect(Buffer.compare(await late.download(), THREE.subarray(0, 5000))).toBe(0);
  });

  it("replaces it in the same time where the clock was set back, and is shown by the clock as it is", async () => {
    const HOUR = 3_600_000;
    let setByMs = 0;
    let nowMs = 5000;
    const { core, ...supernode } = await start(
      {},
      () => nowMs + setByMs,
      () => nowMs,
    );
    const slow = client({ core, ...supernode }, "/three");
    await slow.register();
    const id = slow.task!.taskId;
    await until(() => core.store.task(id)!.cdnStatus === "SUCCESS");
    setByMs = -HOUR;
    nowMs += 59_999;
    expect(core.views.activeClients(id)).toBe(1);
    const used = [core.views.task(id)!, core.views.task(id)!.holders[0]!, core.views.peers()[0]!];
    for (const { lastAccessMs } of used) expect(lastAccessMs).toBe(5000 - HOUR);
    nowMs += 1;
    expect(core.views.activeClients(id)).toBe(0);
    source.files.set("/three", { bytes: THREE.subarray(0, 5000), etag: '"v2"' });
    const late = client({ core, ...supernode }, "/three", { headers: { "X-Other": "1" } });
    expect(Buffer.compare(await late.download(), THREE.subarray(0, 5000))).toBe(0);
  });
});

describe("the legacy routes", () => {
  const post = (supernode: Running, path: string, body: string, contentType?: string) =>
    fetch(`${supernode.api}${path}`, {
      method: "POST",
      headers: { "content-type": contentType ?? "application/x-www-form-urlencoded" },
      body,
    });
  const registration = (more: object) =>
    JSON.stringify({
      rawUrl: source.url("/three"),
      cid: "c",
      ip: "127.0.0.9",
      port: 15001,
      path: "/peer/file/x",
      ...more,
    });

  it("take a registration as JSON in any case of names, or as a form", async () => {
    const supernode = await start();
    const answers = [
      await post(supernode, "/peer/registry", registration({}), "application/json;charset=utf-8"),
      await post(
        supernode,
        "/peer/registry",
        `rawURL=${encodeURIComponent(source.url("/three"))}&cID=c4&IP=127.0.0.9&hostName=h&port=15001&path=/peer/file/x&superNodeIp=127.0.0.1&headers=A:1&headers=B:2`,
      ),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(answer.headers.get("content-type")).toBe("application/json");
      expect(await answer.json()).toMatchObject({ code: 200, msg: "success" });
    }
    expect(source.requests.at(-1)!.headers).toMatchObject({ a: "1", b: "2" });
  });

  it.each([
    ["no JSON", "{", "application/json"],
    ["JSON where a form should be", '{"rawUrl":5}', undefined],
    ["nothing", "{}", "application/json"],
    ["another scheme", { rawUrl: "ftp://x/y" }, "application/json"],
    ["a privileged port", { port: 80 }, "application/json"],
    ["no address", { ip: "not-an-ip" }, "application/json"],
    ["md5 and identifier at once", { md5: "a", identifier: "b" }, "application/json"],
    ["Range in another spelling", { headers: ["range:bytes=0-5"] }, "application/json"],
  ])("refuse a registration with %s by HTTP 500", async (_, body, type) => {
    const supernode = await start();
    const text = typeof body === "string" ? body : registration(body);
    const answer = await post(supernode, "/peer/registry", text, type);
    expect(answer.status).toBe(500);
    expect(await answer.json()).toEqual({ code: 500, message: expect.stringMatching(/.{5}/) });
  });

  it.each([
    ["/peer/task", 200, { code: 501, msg: expect.any(String) }],
    ["/peer/task?taskId=x&srcCid=y&status=zzz", 200, { code: 501, msg: expect.any(String) }],
    ["/peer/task?taskId=x&srcCid=y&status=700", 200, { code: 502, msg: expect.any(String) }],
    [
      "/peer/piece/suc?taskId=x&cid=y&dstCid=z&pieceRange=0-4194303",
      500,
      { code: 500, message: expect.any(String) },
    ],
    ["/peer/service/down?taskId=x&cid=y", 500, { code: 500, message: expect.any(String) }],
    ["/peer/piece/error?taskId=x&srcCid=a&dstCid=b", 200, undefined],
  ])("answer GET %s with %i", async (path, status, body) => {
    const answer = await fetch(`${(await start()).api}${path}`);
    expect(answer.status).toBe(status);
    const text = await answer.text();
    expect(text ? JSON.parse(text) : undefined).toEqual(body);
  });

  it.each([
    ["/peer/heartbeat", "{}", { seedTaskIDs: null }],
    ["/peer/network", "{}", { nodes: null }],
    ["/task/metrics", "{}", null],
    ["/task/metrics", '{"success":true,"callSystem":"x","duration":1.5}', null],
  ])("answer POST %s %s under any content type", async (path, body, expected) => {
    const answer = await post(await start(), path, body);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual(expected);
  });

  it("tell of a client that goes, and forget it", async () => {
    const supernode = await start();
    const one = client(supernode, "/three");
    await one.register();
    expect(await one.serviceDown()).toEqual({ code: 612 });
    expect(await one.pull("&status=700&result=502")).toMatchObject({ code: 502 });
    expect([...supernode.core.store.clients()]).toEqual([]);
  });

  it("take a whole task's removal", async () => {
    const supernode = await start();
    const one = client(supernode, "/three");
    await one.register();
    supernode.core.store.removeTask(one.task!.taskId);
    expect(await one.pull("&status=700&result=502")).toMatchObject({ code: 502 });
    expect(Buffer.compare(await client(supernode, "/three").download(), THREE)).toBe(0);
  });
});

describe("the file port", () => {
  it("answers as a static file server with Range", async () => {
    const supernode = await start();
    const one = client(supernode, "/three");
    await one.download();
    const url = supernode.files + one.seedPath;
    const get = (range?: string, method = "GET") =>
      fetch(url, { method, headers: range ? { range } : {} });

    const part = await get("bytes=8388608-12582911");
    expect(part.status).toBe(206);
    expect(part.headers.get("content-range")).toBe("bytes 8388608-10000014/10000015");
    expect(part.headers.get("content-length")).toBe("1611407");
    expect(part.headers.get("content-type")).toBe("application/octet-stream");
    expect(part.headers.get("etag")).toMatch(/^"[0-9a-f]{8}-98968f"$/);
    expect(part.headers.get("last-modified")).toMatch(/ GMT$/);
    const bytes = new Uint8Array(await part.arrayBuffer());
    expect(md5(bytes)).toBe("5bbc068e0ddf26ce3581fc4aa5ecb7a4");

    const whole = await get();
    expect(whole.status).toBe(200);
    expect((await whole.arrayBuffer()).byteLength).toBe(10_000_015);
    const head = await get(undefined, "HEAD");
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "10000015"]);
    const beyond = await get("bytes=10000015-");
    expect([beyond.status, beyond.headers.get("content-range")]).toEqual([416, "bytes */10000015"]);
  });

  it.each([
    "/download/abc",
    `/download/abc/${"abc".padEnd(64, "0")}`,
    `/download/abc/${"def".padEnd(64, "0")}`,
    "/download/..%2f..%2f/etc",
    "/download/abc/..%2fapp.ts",
  ])("has nothing at %s", async (path) => {
    expect((await fetch(`${(await start()).files}${path}`)).status).toBe(404);
  });

  it("gives nothing to those who know the task id alone, or have another task's path", async () => {
    const supernode = await start();
    source.files.set("/tiny", { bytes: THREE.subarray(0, 1000) });
    const [one, two] = [client(supernode, "/three"), client(supernode, "/tiny")];
    await one.download();
    await two.download();
    const pass = two.seedPath.slice(two.seedPath.lastIndexOf("/"));
    const path = seedFilePath(one.task!.taskId);
    expect((await fetch(supernode.files + path + pass)).status).toBe(404);
    expect((await fetch(supernode.files + path)).status).toBe(404);
    expect((await fetch(`${supernode.files}${path}/`)).status).toBe(404);
    expect((await fetch(`${supernode.files}${one.seedPath}`)).status).toBe(200);
  });

  it("hides its indexes", async () => {
    const supernode = await start();
    const one = client(supernode, "/three");
    await one.download();
    const { taskId } = one.task!;
    const url = `${supernode.files}/download/${taskId.slice(0, 3)}/${taskId}.index`;
    expect((await fetch(url)).status).toBe(404);
  });
});

it("takes other limits while it runs, for tasks under way too", async () => {
  const { core, api } = await start({ peerDownLimit: 1 });
  /** How many pieces a client that comes now is given at once. */
  const handedOut = async () => {
    const client = new V1Client({ api, url: source.url("/three") });
    open.push(() => client.close());
    await client.register();
    await vi.waitUntil(() => [...core.store.tasks()].every((task) => task.cdnStatus === "SUCCESS"));
    const { code, data } = await client.pull("&status=700&result=502");
    return code === 601 ? (data as unknown[]).length : code;
  };
  expect(await handedOut()).toBe(1);
  expect(await handedOut()).toBe(602);
  core.adjust({
    peerUpLimit: 5,
    peerDownLimit: 3,
    eliminationLimit: 5,
    failureCountLimit: 5,
    failAccessIntervalMs: 0,
    maxBandwidth: 0,
    systemReservedBandwidth: 0,
    schedulerCorePoolSize: 1,
  });
  // Of the three that our copy now serves at once one is under way.
  expect(await handedOut()).toBe(2);
});

describe("a supernode whose clock is set back by hours", () => {
  let wallMs: number;
  let steadyMs: number;
  let supernode: Running;
  beforeEach(async () => {
    [wallMs, steadyMs] = [1_795_513_305_994, 1000];
    source.files.set("/small", { bytes: THREE.subarray(0, 200_000), etag: '"v1"' });
    const clocks = [() => wallMs, () => steadyMs] as const;
    supernode = await start({ cdnPattern: "source" }, ...clocks);
  });
  const setBack = () => {
    wallMs -= 5 * 3_600_000;
    steadyMs += 61_000;
  };

  it("gives what a node of ours was fetching that is gone to the next", async () => {
    const more = { swarm: { version: SWARM_VERSION, zone: "", held: 0 } };
    const leasesOf = async (one: V1Client) => {
      const { taskId } = one.task!;
      const tasks = [{ taskId, cid: one.cid, held: 0, wantsLeases: 2, neighbours: 1 }];
      const answer = await fetch(`${supernode.api}/swarm/heartbeat`, {
        method: "POST",
        body: JSON.stringify({ version: SWARM_VERSION, tasks }),
      });
      return ((await answer.json()) as { tasks: { leases: unknown[] }[] }).tasks[0]!.leases;
    };
    const gone = client(supernode, "/small", { more });
    await gone.register();
    expect(await leasesOf(gone)).toMatchObject([{ first: 0, count: 1 }]);
    setBack();
    const next = client(supernode, "/small", { more, ip: "127.0.0.2" });
    await next.register();
    await expect.poll(() => leasesOf(next)).toMatchObject([{ first: 0, count: 1 }]);
  });

  it("gives what a client of v1 was fetching that is gone to the next", async () => {
    const nothing = "&dstCid=&range=&result=502&status=700";
    const [gone, next] = [client(supernode, "/small"), client(supernode, "/small")];
    await gone.register();
    expect(await gone.pull(nothing)).toMatchObject({ code: 601 });
    await next.register();
    expect(await next.pull(nothing)).toMatchObject({ code: 602 });
    setBack();
    expect(await next.pull(nothing)).toMatchObject({ code: 601 });
  });
});
