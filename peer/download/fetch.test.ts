import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frameHead, frameTail } from "../../protocol/piece_frame.ts";
import { sumOf } from "../../protocol/v1/piece_sum.ts";
import type { PieceTask } from "../../protocol/v1/pull_piece.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { RateLimiter } from "../../runtime/rate_limit/rate_limiter.ts";
import { TaskFile } from "../store/task_file.ts";
import { fetchAllFromSource } from "./back_to_source.ts";
import { fetchPiece, MIN_RATE } from "./fetch_piece.ts";
import { SourceRefusedError } from "./fetch_source.ts";

const PIECE = 64 * 1024;
const http = new HttpClient();
let folder: string;
const closers: (() => void)[] = [() => http.close()];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dragonfly-fetch-"));
});
afterAll(async () => {
  for (const close of closers) close();
  await rm(folder, { recursive: true });
});

async function listen(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  const server = createServer(handler);
  closers.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

describe("fetchPiece", () => {
  const content = randomBytes(1000);
  const framed = Buffer.concat([frameHead(1000, PIECE), content, frameTail()]);
  const md5 = createHash("md5").update(framed).digest("hex");
  const layout = { pieceSize: PIECE, framed: true, length: 1000 };
  const fetchFrom = async (
    handler: (request: IncomingMessage, response: ServerResponse) => void,
    more: Partial<PieceTask> = {},
  ) =>
    fetchPiece(
      {
        range: `0-${PIECE - 1}`,
        pieceNum: 0,
        pieceSize: PIECE,
        pieceMd5: `${md5}:1005`,
        cid: "c",
        peerIp: "127.0.0.1",
        peerPort: await listen(handler),
        path: "/peer/file/x",
        downLink: 0,
        ...more,
      },
      { http, layout, minRate: MIN_RATE },
    );

  it("asks as v1 does, and gives back the bare content", async () => {
    let asked: IncomingMessage["headers"] = {};
    const piece = await fetchFrom((request, response) => {
      asked = request.headers;
      response.writeHead(206, { "content-length": framed.byteLength }).end(framed);
    });
    expect(Buffer.from(piece)).toEqual(content);
    expect(asked).toMatchObject({
      range: `bytes=0-${PIECE - 1}`,
      piecenum: "0",
      piecesize: String(PIECE),
    });
    expect(asked).not.toHaveProperty("cdnsource");
  });

  it("checks a piece by sha256 where the supernode says one", async () => {
    const answer = (_request: IncomingMessage, response: ServerResponse) =>
      response.writeHead(206, { "content-length": framed.byteLength }).end(framed);
    const right = { pieceMd5: "", pieceSha256: sumOf(framed, "sha256") };
    expect(Buffer.from(await fetchFrom(answer, right))).toEqual(content);
    const wrong = { pieceSha256: `${"0".repeat(64)}:${framed.byteLength}` };
    await expect(fetchFrom(answer, wrong)).rejects.toMatchObject({
      failure: "wrong",
      realHex: createHash("sha256").update(framed).digest("hex"),
    });
  });

  it("does not count as slow what our own limit slows down", async () => {
    const bytes = randomBytes(4 * 1024 * 1024);
    const task = {
      range: `0-${bytes.length - 1}`,
      pieceNum: 0,
      pieceSize: bytes.length,
      pieceMd5: "",
      cid: "c",
      peerIp: "127.0.0.1",
      peerPort: await listen((_request, response) => response.writeHead(206).end(bytes)),
      path: "/peer/file/x",
      downLink: 0,
    };
    const piece = await fetchPiece(task, {
      http,
      layout: { pieceSize: bytes.length, framed: false, length: bytes.length },
      // At this rate the peer has 6.5 s, and at ours it needs 9.
      minRate: 1024 ** 3,
      limiters: [new RateLimiter(bytes.length / 9)],
    });
    expect(bytes.equals(piece)).toBe(true);
  });

  const flipped = Buffer.from(framed);
  flipped[500]! ^= 1;
  it.each<[string, string, (response: ServerResponse) => void]>([
    ["flips a bit", "wrong", (r) => r.writeHead(206).end(flipped)],
    ["sends too little", "wrong", (r) => r.writeHead(206).end(framed.subarray(0, 900))],
    ["sends without end", "wrong", (r) => r.writeHead(206).end(Buffer.alloc(PIECE * 3))],
    [
      "breaks off",
      "broken",
      (r) => r.writeHead(206, { "content-length": 1005 }).write(content, () => r.destroy()),
    ],
    [
      "sends a byte a second",
      "broken",
      (r) => {
        r.writeHead(206, { "content-length": 1005 });
        const timer = setInterval(() => r.write("x"), 1000);
        r.once("close", () => clearInterval(timer));
      },
    ],
    [
      "makes no sense",
      "broken",
      (r) => r.socket!.end("HTTP/1.1 206 X\r\ncontent-length: -23\r\n\r\n"),
    ],
    ["has it not", "missing", (r) => r.writeHead(404).end()],
    ["is in trouble", "unreachable", (r) => r.writeHead(500).end("oops")],
    ["hangs up", "unreachable", (r) => r.destroy()],
  ])("says what is wrong with a peer that %s", async (_what, failure, answer) => {
    await expect(fetchFrom((_request, response) => answer(response))).rejects.toMatchObject({
      name: "PieceError",
      failure,
    });
  });
});

describe("fetchAllFromSource", () => {
  const bytes = randomBytes(10 * PIECE + 77);
  let next = 0;

  /** Brings `bytes` from a source that answers as told, into a file that holds `held` already. */
  async function bring(
    length: number,
    held: number[],
    handler: (request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<{ file: TaskFile; fetched: number[]; content: Buffer }> {
    const port = await listen(handler);
    const path = join(folder, `file-${next++}`);
    const file = await TaskFile.create(path, {
      version: 1,
      key: "k",
      taskId: "t",
      cid: "c",
      supernode: "",
      name: "n",
      length,
      pieceSize: PIECE,
      framed: false,
      pieces: [],
      verified: false,
      touchedMs: 0,
    });
    for (const piece of held) {
      await file.writePiece(piece, bytes.subarray(piece * PIECE, (piece + 1) * PIECE));
    }
    closers.push(() => void file.close());
    const fetched: number[] = [];
    await fetchAllFromSource({
      source: { url: `http://127.0.0.1:${port}/x`, headers: { authorization: "mine" } },
      file,
      http,
      limiters: [],
      signal: new AbortController().signal,
      onPiece: async (piece, content) => {
        if (file.has(piece)) return;
        fetched.push(piece);
        await file.writePiece(piece, content);
      },
    });
    return { file, fetched, content: await readFile(path) };
  }

  const ranged = (request: IncomingMessage, response: ServerResponse) => {
    const range = parseRangeHeader(request.headers.range, bytes.byteLength);
    if (range.kind !== "part") return response.writeHead(200).end(bytes);
    return response
      .writeHead(206, { "content-range": `bytes ${range.start}-${range.end}/${bytes.byteLength}` })
      .end(bytes.subarray(range.start, range.end + 1));
  };

  it("asks by range for what is missing, and for nothing else", async () => {
    const asked: string[] = [];
    const { file, fetched, content } = await bring(
      bytes.byteLength,
      [0, 3, 4],
      (request, response) => {
        asked.push(request.headers.range ?? "all");
        expect(request.headers.authorization).toBe("mine");
        ranged(request, response);
      },
    );
    expect(content).toEqual(bytes);
    expect(file.complete).toBe(true);
    expect(fetched.sort((a, b) => a - b)).toEqual([1, 2, 5, 6, 7, 8, 9, 10]);
    expect(asked).toHaveLength(8);
    expect(asked).not.toContain("all");
  });

  it("reads on from one stream where the source does no ranges", async () => {
    const { content, fetched } = await bring(bytes.byteLength, [2], (_request, response) =>
      response.writeHead(200).end(bytes),
    );
    expect(content).toEqual(bytes);
    expect(fetched).not.toContain(2);
  });

  it("learns the length of a source that does not tell it", async () => {
    const { content, file } = await bring(-1, [], (_request, response) => {
      response.write(bytes.subarray(0, 100_000));
      response.end(bytes.subarray(100_000));
    });
    expect(content).toEqual(bytes);
    expect(file.layout.length).toBe(bytes.byteLength);
    expect(file.complete).toBe(true);
  });

  it("takes up again what breaks off", async () => {
    let broken = 0;
    const { content } = await bring(bytes.byteLength, [], (request, response) => {
      if (broken++ % 3 === 1) {
        response.writeHead(206, { "content-length": "1000" }).write("x", () => response.destroy());
      } else ranged(request, response);
    });
    expect(content).toEqual(bytes);
  });

  it("keeps nothing of an answer beyond its length, however long it goes on", async () => {
    let open = 0;
    let pieces = 0;
    const endless = bring(bytes.byteLength, [], (_request, response) => {
      open += 1;
      response.once("close", () => {
        open -= 1;
      });
      const more = () => {
        pieces += 1;
        response.write(Buffer.alloc(PIECE), () => response.destroyed || more());
      };
      response.writeHead(200);
      more();
    });
    await expect(endless).rejects.toThrow(/sends more than the \d+ bytes/);
    await expect.poll(() => open).toBe(0);
    expect(pieces).toBeGreaterThan(10);
    expect((await stat(join(folder, `file-${next - 1}`))).size).toBeLessThanOrEqual(
      bytes.byteLength,
    );
  });

  it("brings an empty file", async () => {
    const { file, content } = await bring(0, [], (_request, response) =>
      response.writeHead(200).end(),
    );
    expect(file.complete).toBe(true);
    expect(content).toHaveLength(0);
  });

  it("does not insist where the source says no", async () => {
    let asked = 0;
    const refused = bring(bytes.byteLength, [], (_request, response) => {
      asked++;
      response.writeHead(403).end();
    });
    await expect(refused).rejects.toThrow(SourceRefusedError);
    expect(asked).toBe(1);
  });
});
