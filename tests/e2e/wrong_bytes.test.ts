import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { type OpenFile, type Peer, parseSupernode, startPeer } from "../../peer/mod.ts";
import { Code, PieceResult } from "../../protocol/codes.ts";
import { blockBytes, blockCount } from "../../protocol/swarm/blocks.ts";
import { type HeartbeatRequest, SWARM_VERSION } from "../../protocol/swarm/messages.ts";
import { BacksourceReason } from "../../protocol/v1/report.ts";
import { type Answer, ScriptedSupernode } from "../command_lines/scripted_supernode.ts";
import { freshAddress } from "../support/addresses.ts";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";

const PIECE = 4 * MB;
const TASK = "a".repeat(64);

let scratch: Scratch;
let source: Source;
beforeAll(async () => {
  scratch = await Scratch.open("wrong-bytes");
  source = await Source.start(scratch);
});
afterAll(() => scratch?.close());

/** A supernode's answer to a registration. */
function takenIn(more: object): Answer {
  const about = { pieceSize: PIECE, cdnSource: "source", asSeed: false, seedTaskID: "" };
  return { body: { code: Code.success, msg: "success", data: { ...about, ...more } } };
}

/** A node that goes by a supernode, with an empty cache. */
async function peerOf(supernode: ScriptedSupernode, name: string): Promise<Peer> {
  const peer = await startPeer({
    ip: freshAddress(),
    port: 0,
    dataDir: await scratch.directory(name),
    supernodes: [parseSupernode(supernode.node)!],
  });
  onTestFinished(() => peer.close());
  return peer;
}

/** A node whose supernode, of v1, sends it to a peer with wrong bytes for both pieces of a file. */
async function misled(name: string): Promise<{ file: SourceUrl; peer: Peer }> {
  const file = source.add(name, PIECE + MB);
  const liar = freshAddress();
  const server = createServer((request, response) => {
    const isFirst = request.headers.piecenum === "0";
    response.writeHead(206).end(randomBytes(isFirst ? PIECE : MB));
  });
  await new Promise<void>((resolve) => server.listen(0, liar, resolve));
  const { port } = server.address() as AddressInfo;
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const pieces = [0, 1].map((pieceNum) => ({
    range: `${pieceNum * PIECE}-${(pieceNum + 1) * PIECE - 1}`,
    ...{ pieceNum, pieceSize: PIECE, pieceMd5: "", cid: "liar", downLink: 0 },
    ...{ peerIp: liar, peerPort: port, path: "/peer/file/x" },
  }));
  const told = new Set<string>();
  const supernode = await ScriptedSupernode.start(scratch, ({ pathname, searchParams }) => {
    if (pathname === "/peer/registry") return takenIn({ taskId: TASK, fileLength: file.size });
    if (pathname !== "/peer/task") return { body: { code: Code.pieceReported } };
    if (searchParams.get("result") === String(PieceResult.semiSuccess))
      told.add(searchParams.get("range")!);
    if (told.size < pieces.length) return { body: { code: Code.continue, data: pieces } };
    return { body: { code: Code.finished, data: { fileLength: 0, md5: "" } } };
  });
  const peer = await peerOf(supernode, name);
  return { file, peer };
}

const open = (peer: Peer, { url, sha256 }: SourceUrl): Promise<OpenFile> =>
  peer.open({ url, headers: {}, digest: { algorithm: "sha256", hex: sha256 } });

async function bytesOf(file: OpenFile, into: Buffer[] = []): Promise<Buffer> {
  for await (const chunk of file.stream() as unknown as AsyncIterable<Uint8Array>)
    into.push(Buffer.from(chunk));
  return Buffer.concat(into);
}

it("that peers have sent are fetched again from the source where nobody has read them yet", async () => {
  const { file, peer } = await misled("unread");
  const opened = await open(peer, file);
  expect(await opened.done).toMatchObject({ reason: BacksourceReason.md5Mismatch });
  expect((await bytesOf(opened)).equals(file.content)).toBe(true);
  expect(file.sent()).toBe(file.size);
});

it("that somebody has begun to read end without their last piece, and the file is left to others for a while", async () => {
  const { file, peer } = await misled("read");
  const opened = await open(peer, file);
  const got: Buffer[] = [];
  await expect(bytesOf(opened, got)).rejects.toThrow(/sha256/);
  expect(Buffer.concat(got).length).toBeLessThan(file.size);
  await expect(opened.done).rejects.toThrow(/sha256/);
  await expect(open(peer, file)).rejects.toThrow("the bytes that p2p brought for it were wrong");
  expect(file.sent()).toBe(0);
});

it("end a node's part in the swarm of the file: it reports of others only", async () => {
  const wrong = source.add("wrong", MB);
  const right = source.add("right", 2 * MB);
  const sizes = new Map([wrong, right].map(({ url, size }) => [url, size]));
  const reported: string[][] = [];
  const supernode = await ScriptedSupernode.start(scratch, ({ pathname }, body) => {
    const asked = JSON.parse(body || "{}");
    if (pathname === "/peer/registry") {
      const fileLength = sizes.get(asked.rawUrl)!;
      const leases = [{ id: 1, first: 0, count: blockCount(fileLength) }];
      const times = { neighbours: [], heartbeatMs: 50 };
      const swarm = {
        version: SWARM_VERSION,
        blockBytes: blockBytes(fileLength),
        leases,
        ...times,
      };
      return takenIn({ taskId: asked.rawUrl, fileLength, swarm });
    }
    if (pathname !== "/swarm/heartbeat") return { body: { code: Code.success } };
    const taskIds = (asked as HeartbeatRequest).tasks.map(({ taskId }) => taskId);
    reported.push(taskIds);
    return {
      body: { heartbeatMs: 50, tasks: taskIds.map((taskId) => ({ taskId, known: true })) },
    };
  });
  const peer = await peerOf(supernode, "wrong-swarm");
  const other = await open(peer, right);
  const opened = await open(peer, { ...wrong, sha256: "0".repeat(64) });
  await expect(opened.done).rejects.toThrow(/sha256/);
  // One may be on its way.
  const before = reported.length + 1;
  await vi.waitFor(() => expect(reported.length).toBeGreaterThan(before + 2));
  expect(reported.slice(before).flat()).not.toContain(wrong.url);
  other.stream().cancel();
});
