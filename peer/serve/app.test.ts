import { createHash, randomBytes } from "node:crypto";
import { appendFile, mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { PASS_MS } from "../../protocol/path_pass.ts";
import { frameHead, frameTail } from "../../protocol/piece_frame.ts";
import { type RunningServer, serve } from "../../runtime/serve.ts";
import { Catalog } from "../store/catalog.ts";
import { OwnPath } from "../store/own_path.ts";
import { sha256 } from "../store/sha256.ts";
import { TaskFile } from "../store/task_file.ts";
import { peerServerApp } from "./app.ts";
import { GUARDS_PATHS } from "./local_control.ts";

const PIECE = 4194304;
let folder: string;
let server: RunningServer;
let catalog: Catalog;
const limit = { totalLimit: 0 };
/** Names of files that were found to be damaged. */
const damaged: string[] = [];
const PIECE_HEADERS = { range: `bytes=0-${PIECE - 1}`, pieceNum: "0", pieceSize: String(PIECE) };

/** The file `three` of the transcripts' origin: byte i is bits 16…23 of a linear congruence. */
function three(): Buffer {
  const bytes = Buffer.alloc(10_000_000);
  let x = 12345;
  for (let i = 0; i < bytes.length; i++) {
    x = (x * 1103515245 + 12345) & 0x7fffffff;
    bytes[i] = (x >> 16) & 0xff;
  }
  return bytes;
}

/** Turns a bit of a file. */
async function flip(path: string): Promise<void> {
  const handle = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, 1000);
  byte[0]! ^= 1;
  await handle.write(byte, 0, 1, 1000);
  await handle.close();
}

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.port}${path}`, { headers });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dragonfly-peer-"));
  catalog = new Catalog(folder);
  server = await serve({
    fetch: peerServerApp({
      catalog,
      limit,
      onDamaged: ({ name }) => void damaged.push(name),
    }).fetch as never,
    hostname: "127.0.0.1",
    port: 0,
  });
  await writeFile(join(folder, "three-1.service"), three());
  await get("/check/three-1", { dataDir: folder, totalLimit: "0" });
});
afterAll(async () => {
  await server.close();
  await catalog.close();
  await rm(folder, { recursive: true });
});

it("says that it is well, which does not count as use", async () => {
  let used = 0;
  const app = peerServerApp({ catalog, limit, onRequest: () => (used += 1) });
  for (const path of ["/healthz", "/readyz"]) {
    const answer = await app.request(path);
    expect([answer.status, await answer.text()]).toEqual([200, "ok\n"]);
  }
  expect(used).toBe(0);
  await app.request("/check/x");
  expect(used).toBe(1);
});

describe("a piece", () => {
  // Answers of the Go peer server (transcript local-raw-peer).
  it.each([
    ["framed", "bytes=0-4194303", "0", undefined, 4194304, "a80a084284925836375dfed7efd21683"],
    ["bare", "bytes=0-4194303", "0", "source", 4194304, "5c9fec1d853d785a1df4a3e9609e7dc7"],
    [
      "framed, the last",
      "bytes=8388608-12582911",
      "2",
      undefined,
      1611407,
      "5bbc068e0ddf26ce3581fc4aa5ecb7a4",
    ],
    [
      "bare, the last",
      "bytes=8388608-12582911",
      "2",
      "source",
      1611392,
      "fbe106fd8c8be6f4ea04013ec51d57be",
    ],
    [
      "bare, asked for exactly",
      "bytes=8388608-9999999",
      "2",
      "source",
      1611392,
      "fbe106fd8c8be6f4ea04013ec51d57be",
    ],
  ])("%s is what v1 sends", async (_what, range, pieceNum, cdnSource, length, md5) => {
    const answer = await get("/peer/file/three-1", {
      range,
      pieceNum,
      pieceSize: String(PIECE),
      ...(cdnSource ? { cdnSource } : {}),
    });
    const body = Buffer.from(await answer.arrayBuffer());
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-length")).toBe(String(length));
    expect(createHash("md5").update(body).digest("hex")).toBe(md5);
  });

  const good = { range: "bytes=0-4194303", pieceNum: "0", pieceSize: String(PIECE) };
  it.each([
    ["no range", { ...good, range: "" }, 400],
    ["a range the wrong way round", { ...good, range: "bytes=5-2" }, 400],
    ["no piece number", { ...good, pieceNum: "" }, 400],
    ["a piece number that is none", { ...good, pieceNum: "x" }, 400],
    ["a piece size that is none", { ...good, pieceSize: "4M" }, 400],
    ["more than a piece", { ...good, range: "bytes=0-99999999" }, 400],
    ["a piece that lies before the file", { ...good, pieceNum: "9" }, 400],
    [
      "what lies beyond the end",
      { ...good, range: "bytes=99999999-100999999", pieceNum: "20" },
      416,
    ],
    [
      "what lies far beyond the end",
      { ...good, range: "bytes=99999999-99999999999", pieceNum: "20" },
      416,
    ],
  ])("is refused with a reason for %s", async (_what, headers, status) => {
    const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ""));
    const answer = await get("/peer/file/three-1", sent);
    expect(answer.status).toBe(status);
    expect(await answer.text()).not.toBe("");
  });

  it("of a file that is unknown or gone is refused with 404", async () => {
    expect((await get("/peer/file/none", good)).status).toBe(404);
    await get("/check/vanished-1", { dataDir: folder });
    expect((await get("/peer/file/vanished-1", good)).status).toBe(404);
  });

  it("goes to those only who have a pass, where its key came with it, and for some minutes", async () => {
    await writeFile(join(folder, "locked-1.service"), three());
    const own = new OwnPath("/peer/file/locked-1", performance.now());
    const { key } = own.message(performance.now());
    const announced = await get("/check/locked-1", { dataDir: folder, pathKey: key });
    expect(announced.headers.get(GUARDS_PATHS)).toBe("yes");
    expect((await get(own.told(performance.now()), good)).status).toBe(206);
    for (const path of [own.path, `${own.path}/`, `${own.path}/${"x".repeat(32)}`])
      expect((await get(path, good)).status, path).toBe(404);
    const longAgoMs = performance.now() - 2 * PASS_MS;
    catalog.get("locked-1")!.ownPath = new OwnPath(own.path, longAgoMs, key);
    expect((await get(own.told(performance.now()), good)).status).toBe(404);
    // Announced anew without it: its supernode is one of v1.
    await get("/check/locked-1", { dataDir: folder });
    expect((await get(own.path, good)).status).toBe(206);
  });

  it("needs no pass where a v1 program has announced it", async () => {
    const announced = await get("/check/three-1", { dataDir: folder });
    expect(announced.headers.has(GUARDS_PATHS)).toBe(false);
    expect((await get("/peer/file/three-1", good)).status).toBe(206);
  });

  /** A file that this process writes, of three pieces at most. */
  async function ownFile(name: string) {
    const about = { key: "k", taskId: "t", cid: "c", supernode: "", name, touchedMs: 0 };
    const file = await TaskFile.create(join(folder, `${name}.service`), {
      version: 1,
      ...about,
      length: 3 * PIECE,
      pieceSize: PIECE,
      framed: false,
      pieces: [],
      verified: false,
    });
    onTestFinished(() => file.close());
    catalog.add({ ...about, path: file.path, file, users: 0 });
    const ask = (piece: number) =>
      get(`/peer/file/${name}`, {
        range: `bytes=${piece * PIECE}-${(piece + 1) * PIECE - 1}`,
        pieceNum: String(piece),
        pieceSize: String(PIECE),
        cdnSource: "source",
      });
    return { file, ask };
  }

  it("that this process does not hold yet is not made up from a hole in the file", async () => {
    const { file, ask } = await ownFile("own-1");
    await file.writePiece(2, Buffer.alloc(PIECE, 1));
    expect((await ask(0)).status).toBe(404);
    expect((await ask(2)).status).toBe(206);
    expect((await ask(3)).status).toBe(416);
    expect(damaged).toEqual([]);
  });

  it.each<[string, (path: string, file: TaskFile) => Promise<void>]>([
    [
      "a disk has turned a bit of",
      async (path, file) => {
        file.foundRight(performance.now() - 61_000);
        await flip(path);
      },
    ],
    [
      "somebody has written to",
      async (path, file) => {
        await file.seal();
        await appendFile(path, "!");
      },
    ],
    ["somebody has cut off", async (path) => truncate(path, 100)],
  ])("that %s is not sent, and the file is told of as damaged", async (_what, damage) => {
    damaged.length = 0;
    const { file, ask } = await ownFile("own-2");
    const content = randomBytes(PIECE);
    await file.writePiece(0, content, await sha256(content));
    const before = await ask(0);
    expect(before.status).toBe(206);
    expect(Buffer.from(await before.arrayBuffer()).equals(content)).toBe(true);
    expect(damaged).toEqual([]);
    await damage(file.path, file);
    expect((await ask(0)).status).toBe(404);
    expect(damaged).toEqual(["own-2"]);
  });

  it("that turns out to be cut off when a part of it has been sent breaks off, and is told of", async () => {
    damaged.length = 0;
    const { file, ask } = await ownFile("own-3");
    const content = randomBytes(PIECE);
    await file.writePiece(0, content, await sha256(content));
    await truncate(file.path, PIECE / 2);
    const answer = await ask(0);
    expect(answer.status).toBe(206);
    await expect(answer.arrayBuffer()).rejects.toThrow();
    expect(damaged).toEqual(["own-3"]);
  });

  it.each([
    ["framed", undefined],
    ["bare", "source"],
  ])("%s of more than one block arrives as it lies in the file", async (_what, cdnSource) => {
    const size = 15 * 1024 * 1024;
    const bytes = randomBytes(2 * size);
    await writeFile(join(folder, "large-1.service"), bytes);
    await get("/check/large-1", { dataDir: folder });
    const headers = { range: `bytes=${size}-${2 * size - 1}`, pieceNum: "1", pieceSize: `${size}` };
    const answer = await get("/peer/file/large-1", {
      ...headers,
      ...(cdnSource ? { cdnSource } : {}),
    });
    const body = Buffer.from(await answer.arrayBuffer());
    const content = cdnSource ? bytes.subarray(size) : bytes.subarray(size - 5, 2 * size - 10);
    const expected = cdnSource
      ? content
      : Buffer.concat([frameHead(content.length, size), content, frameTail()]);
    expect(body.equals(expected)).toBe(true);
  });

  it("is not missed by the next one when a peer hangs up in the middle", async () => {
    const abort = new AbortController();
    const { port } = server;
    const cut = fetch(`http://127.0.0.1:${port}/peer/file/three-1`, {
      headers: PIECE_HEADERS,
      signal: abort.signal,
    });
    await cut;
    abort.abort();
    const whole = await get("/peer/file/three-1", PIECE_HEADERS);
    expect((await whole.arrayBuffer()).byteLength).toBe(PIECE);
  });

  it.each(["/peer/file/../three-1", "/peer/file/%2e%2e%2fthree-1", "/peer/file//etc/passwd"])(
    "is not found by the path %s",
    async (path) => {
      expect((await get(path, good)).status).toBeGreaterThanOrEqual(404);
    },
  );
});

describe("local control", () => {
  it("answers as v1 does", async () => {
    expect(await (await get("/server/ping")).text()).toBe("success");
    expect(await (await get("/rate/none", { rateLimit: "1000" })).text()).toBe("1000");
    expect((await get("/rate/none")).status).toBe(400);
    expect(await (await get("/check/x1", { dataDir: folder, totalLimit: "0" })).text()).toMatch(
      /^x1@/,
    );
    const incomplete = await get("/client/finish?taskFileName=a");
    expect([incomplete.status, await incomplete.text()]).toEqual([400, "invalid params"]);
    const finish = "/client/finish?taskFileName=a&cid=b&taskID=c&superNode=127.0.0.1:28002";
    expect(await (await get(finish)).text()).toBe("success");
    expect((await get("/")).status).toBe(404);
  });

  it("takes no file name that leads elsewhere", async () => {
    expect((await get("/check/a/..%2f..%2fetc%2fpasswd", { dataDir: folder })).status).toBe(400);
  });

  it.each([
    ["/check/x1", 403],
    ["/rate/x1", 403],
    ["/client/finish?taskFileName=a&cid=b&taskID=c", 403],
    ["/server/ping", 200],
    ["/peer/file/three-1", 206],
  ])("%s of another host: %i", async (path, status) => {
    const asked = async (remoteAddress: string) => {
      const headers = { ...PIECE_HEADERS, rateLimit: "1" };
      const socket = { remoteAddress, localAddress: "10.64.0.11" };
      const request = new Request(`http://10.64.0.11:15001${path}`, { headers });
      const incoming = { socket, headers: Object.fromEntries(request.headers) };
      const outgoing = new ServerResponse(new IncomingMessage(new Socket()));
      const app = peerServerApp({ catalog, limit });
      const answer = await app.fetch(request, { incoming: incoming as never, outgoing });
      return answer === RESPONSE_ALREADY_SENT ? outgoing.statusCode : answer.status;
    };
    expect(await asked("10.64.0.12")).toBe(status);
    for (const own of ["10.64.0.11", "127.0.0.1", "::1"])
      expect(await asked(own)).toBeLessThan(300);
  });

  it("takes on a file elsewhere only by such a name as dfget gives", async () => {
    const elsewhere = { dataDir: "/etc/systemd/system" };
    expect((await get("/check/sshd", elsewhere)).status).toBe(400);
    expect((await get("/check/sshd-17-1795513305.994", elsewhere)).status).toBe(200);
    expect((await get("/check/sshd", { dataDir: `${folder}/.` })).status).toBe(200);
  });

  it("shares the host's rate among the downloads under way", async () => {
    const alone = new Catalog(folder);
    const host = { totalLimit: 0 };
    const own = await serve({
      fetch: peerServerApp({ catalog: alone, limit: host }).fetch as never,
      hostname: "127.0.0.1",
      port: 0,
    });
    const ask = async (path: string, headers: Record<string, string>) =>
      (await fetch(`http://127.0.0.1:${own.port}${path}`, { headers })).text();
    await ask("/check/a", { dataDir: folder, totalLimit: "1000" });
    await ask("/check/b", { dataDir: folder, totalLimit: "1000" });
    expect(await ask("/rate/a", { rateLimit: "800" })).toBe("500");
    expect(await ask("/rate/a", { rateLimit: "100" })).toBe("100");
    expect(await ask("/rate/a", { rateLimit: "0" })).toBe("500");
    await ask("/client/finish?taskFileName=b&cid=c&taskID=t&superNode=h:1", {});
    expect(await ask("/rate/a", { rateLimit: "800" })).toBe("800");
    await own.close();
    await alone.close();
  });
});
