import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { LEAST_BLOCK_BYTES as BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { sealKeyToWire, signDigests } from "../../protocol/swarm/seal.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { NO_SPAN } from "../../runtime/tracing/tracing.ts";
import { MIN_RATE } from "../download/fetch_piece.ts";
import { BlockProofs } from "./block_proofs.ts";
import { BlockRequests } from "./block_requests.ts";
import { BlockChooser } from "./choose_blocks.ts";
import { Neighbours } from "./neighbours.ts";
import { SELF } from "./testing.ts";

const BLOCKS = 6;
const LENGTH = (BLOCKS - 1) * BLOCK_BYTES + 1000;
const content = randomBytes(LENGTH);
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const blockOf = (block: number) =>
  content.subarray(block * BLOCK_BYTES, Math.min(LENGTH, (block + 1) * BLOCK_BYTES));

type Answer = (response: ServerResponse, block: number) => void;

/** A node that asks others for a file's blocks, and what has come of it. */
function asking() {
  const http = new HttpClient();
  const stop = new AbortController();
  const got = new Map<number, Uint8Array>();
  const said: string[] = [];
  const standing = (id: string) => neighbours.standing(id);
  const judge = (id: string) => neighbours.judge(id);
  const chooser = new BlockChooser({ blocks: BLOCKS, slots: 4, random: () => 0 });
  const neighbours: Neighbours = new Neighbours({
    swarm: { http, identity: SELF, span: NO_SPAN },
    fileLength: LENGTH,
    chooser,
    onMessage: () => {},
    onForgotten: (slot) => requests.cutOff(slot),
    onDropped: () => said.push("dropped"),
  });
  const proofs = new BlockProofs(BLOCKS, {
    file: { has: (block) => got.has(block), withholdPiece: () => {} },
    fileName: "x",
    standing,
    ask: async () => ({ seals: [], unknown: [] }),
    onConfirmed: () => {},
    onLost: () => {},
    onUseless: () => {},
    onRedeemed: () => {},
    onWrong: () => {},
    onStanding: judge,
  });
  const requests: BlockRequests = new BlockRequests({
    swarm: { http, limiters: [], minRate: MIN_RATE },
    file: { layout: { pieceSize: BLOCK_BYTES, framed: false, length: LENGTH } },
    chooser,
    neighbours,
    proofs,
    signal: stop.signal,
    onBlock: async (block, bytes) => {
      chooser.hold(block);
      got.set(block, bytes);
    },
    onWrong: (id, block) => said.push(`wrong ${block} of ${id}`),
    onStanding: judge,
  });
  onTestFinished(() => {
    stop.abort();
    neighbours.forgetAll();
    http.close();
  });
  /** A node that is met when that is said: then it is a neighbour that has these blocks, in the slot returned. */
  const node = async (id: string, blocks: readonly number[], answer: Answer) => {
    const server = createServer((request: IncomingMessage, response: ServerResponse) => {
      if (request.url!.startsWith("/peer/swarm/")) {
        response.writeHead(200).flushHeaders();
        return;
      }
      const start = Number(/\d+/.exec(request.headers.range!)![0]);
      response.statusCode = 206;
      answer(response, start / BLOCK_BYTES);
    });
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return () => {
      neighbours.meet({ id, ip: "127.0.0.1", port, path: "/peer/file/x", near: true });
      const { slot } = neighbours.find(id)!;
      // Fast, so that it is asked for more than one at a time.
      chooser.neighbourLoad(slot, { queueMs: 0, blockMs: 1 }, performance.now());
      for (const block of blocks) chooser.neighbourHas(slot, block);
      return slot;
    };
  };
  const meet = async (...about: Parameters<typeof node>) => (await node(...about))();
  proofs.digests.trust(sealKeyToWire(publicKey));
  const seal = (block: number) => {
    const digests = new Uint8Array(createHash("sha256").update(blockOf(block)).digest());
    proofs.learn(
      signDigests(privateKey, { first: block, version: 0, digests }) as Parameters<
        typeof proofs.learn
      >[0],
    );
  };
  return { chooser, neighbours, proofs, requests, got, said, node, meet, seal, stop };
}

const right: Answer = (response, block) => response.end(blockOf(block));
const flipped: Answer = (response, block) => {
  const bytes = Buffer.from(blockOf(block));
  bytes[100]! ^= 1;
  response.end(bytes);
};

it("brings blocks of those who have them, the short last one too", async () => {
  const { requests, got, meet, neighbours } = asking();
  await meet("them", [0, 1, 2, 3, 4, 5], right);
  requests.pump();
  await expect.poll(() => got.size).toBe(BLOCKS);
  for (const [block, bytes] of got) expect(blockOf(block).equals(bytes)).toBe(true);
  expect(neighbours.find("them")!.link).toMatchObject({ blocks: BLOCKS, bytes: LENGTH });
});

it("keeps nothing that contradicts its seal, says whose it was, and drops one who sends it three times", async () => {
  const { requests, got, said, meet, seal, neighbours } = asking();
  seal(0);
  await meet("liar", [0], flipped);
  requests.pump();
  const wrong = "wrong 0 of liar";
  await expect.poll(() => said).toEqual([wrong, wrong, wrong, "dropped"]);
  expect(got.size).toBe(0);
  expect(neighbours.standing("liar")).toMatchObject({ right: 0, wrong: 3, broken: 0 });
  expect(neighbours.takeSlow()).toEqual([]);
});

it("counts for its sender what its seal says is right, and only that", async () => {
  const { requests, got, meet, seal, neighbours } = asking();
  seal(0);
  await meet("them", [0, 1], right);
  requests.pump();
  await expect.poll(() => got.size).toBe(2);
  expect(neighbours.standing("them").right).toBe(1);
});

it("tells the supernode of one whose answers do not come whole, before that one counts as failing", async () => {
  const { requests, meet, neighbours } = asking();
  await meet("trickle", [0, 1, 2, 3, 4], (response, block) => {
    response.setHeader("content-length", blockOf(block).length);
    response.write("a", () => response.destroy());
  });
  requests.pump();
  await expect.poll(() => neighbours.takeDropped()).toEqual(["trickle"]);
  expect(neighbours.takeSlow()).toEqual(["trickle"]);
});

it("asks others for a block that a node says it has, and has not", async () => {
  const { requests, got, meet, neighbours } = asking();
  await meet("empty", [2], (response) => response.writeHead(404).end());
  requests.pump();
  await expect.poll(() => neighbours.find("empty")!.link.failures).toBe(1);
  await meet("them", [2], right);
  requests.pump();
  await expect.poll(() => got.size).toBe(1);
  // It is not asked again.
  expect(neighbours.find("empty")!.link.failures).toBe(1);
  expect(neighbours.standing("empty")).toMatchObject({ broken: 0, wrong: 0 });
});

/** One who begins an answer and says no more, and who has hung up on it. */
function silent() {
  const asked: number[] = [];
  const left: number[] = [];
  const answer: Answer = (response, block) => {
    asked.push(block);
    response.once("close", () => left.push(block));
    response.flushHeaders();
  };
  return { asked, left, answer };
}

it("knows who owes blocks, and since when", async () => {
  const { requests, meet } = asking();
  const { asked, answer } = silent();
  const slot = await meet("busy", [0], answer);
  await meet("them", [1], right);
  requests.pump();
  await expect.poll(() => asked).toEqual([0]);
  const nowMs = performance.now();
  await expect.poll(() => [...requests.owing(0, nowMs + 1)]).toEqual([slot]);
  expect([...requests.owing(60_000, nowMs)]).toEqual([]);
});

it("hangs up on one who is forgotten, on nobody else, and asks others for what it owed", async () => {
  const { requests, meet, got, neighbours } = asking();
  const [one, other] = [silent(), silent()];
  const slot = await meet("one", [0], one.answer);
  await meet("other", [1], other.answer);
  requests.pump();
  await expect.poll(() => [...one.asked, ...other.asked]).toEqual([0, 1]);
  neighbours.drop(slot, "it is silent");
  await expect.poll(() => one.left).toEqual([0]);
  await meet("them", [0], right);
  requests.pump();
  await expect.poll(() => [...got.keys()]).toEqual([0]);
  expect(other.left).toEqual([]);
});

it("hangs up on those who send what has come by other ways, and counts that of a stranger", async () => {
  const { requests, meet, chooser, neighbours } = asking();
  const { asked, left, answer } = silent();
  await meet("late", [0, 1], answer);
  requests.pump();
  await expect.poll(() => asked.length).toBe(2);
  chooser.hold(0);
  requests.needNot(0);
  await expect.poll(() => left).toEqual([0]);
  expect(neighbours.standing("late")).toMatchObject({ outrun: 1, broken: 0 });
  // It is as fast as before: it was asked but a moment ago.
  expect(neighbours.find("late")!.link).toMatchObject({ late: 0, failures: 0 });
});

it("asks a second time, of one who is faster, and hangs up on the first when that one has sent it", async () => {
  const { requests, meet, chooser, got, neighbours } = asking();
  const { asked, left, answer } = silent();
  const slow = await meet("slow", [0], answer);
  requests.pump();
  await expect.poll(() => asked).toEqual([0]);
  chooser.neighbourLoad(slow, { queueMs: 6000, blockMs: 1000 }, performance.now());
  await meet("fast", [0], right);
  for (let block = 1; block < BLOCKS; block++) chooser.hold(block);
  requests.pump();
  await expect.poll(() => left).toEqual([0]);
  expect([...got.keys()]).toEqual([0]);
  expect(neighbours.standing("slow").outrun).toBe(1);
});

it("asks once for all that have spoken at the same time, and again the next time", async () => {
  const { requests, meet, got, chooser } = asking();
  const slot = await meet("them", [0], right);
  requests.pumpSoon();
  chooser.neighbourHas(slot, 1);
  requests.pumpSoon();
  expect(chooser.inFlight).toBe(0);
  await expect.poll(() => got.size).toBe(2);
  chooser.neighbourHas(slot, 2);
  requests.pumpSoon();
  await expect.poll(() => got.size).toBe(3);
});

it("asks for nothing when the download is over", async () => {
  const { requests, meet, stop } = asking();
  const { asked, answer } = silent();
  await meet("them", [0], answer);
  stop.abort();
  requests.pump();
  await new Promise((resolve) => setImmediate(resolve));
  expect(requests.owing(-1, performance.now()).size).toBe(0);
  expect(asked).toEqual([]);
});

it("holds what one did not send against nobody who has its place by then", async () => {
  const { requests, node, meet, neighbours } = asking();
  const [one, other] = [silent(), silent()];
  const slot = await meet("one", [0], one.answer);
  requests.pump();
  await expect.poll(() => one.asked).toEqual([0]);
  const join = await node("other", [0], other.answer);
  neighbours.drop(slot, "it is silent");
  expect(join()).toBe(slot);
  requests.pump();
  await expect.poll(() => one.left).toEqual([0]);
  await expect.poll(() => other.asked).toEqual([0]);
  requests.pump();
  await new Promise((resolve) => setImmediate(resolve));
  // The one that it was asked for first is still on its way.
  expect(requests.owing(-1, performance.now()).size).toBe(1);
  expect(other.asked).toEqual([0]);
});

it("counts failures in a row only", async () => {
  const { requests, meet, got, neighbours, chooser } = asking();
  let answers = 0;
  const slot = await meet("them", [0, 1, 2, 3, 4, 5], (response, block) => {
    answers += 1;
    if (answers % 2 === 0) right(response, block);
    else response.writeHead(503).end();
  });
  // One whose pace is not known is asked for one at a time.
  chooser.neighbourLoad(slot, { queueMs: 0, blockMs: 0 }, performance.now());
  requests.pump();
  await expect.poll(() => got.size).toBe(BLOCKS);
  expect(neighbours.takeDropped()).toEqual([]);
});
