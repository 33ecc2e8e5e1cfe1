import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Peer, parseSupernode, startPeer } from "../../peer/mod.ts";
import { Code } from "../../protocol/codes.ts";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import { blockBytes, blockCount } from "../../protocol/swarm/blocks.ts";
import { encodeHave } from "../../protocol/swarm/have_stream.ts";
import { type HeartbeatRequest, SWARM_VERSION } from "../../protocol/swarm/messages.ts";
import { ScriptedSupernode } from "../command_lines/scripted_supernode.ts";
import { freshAddress } from "../support/addresses.ts";
import { MB } from "../support/image.ts";
import { POISONS, type Poison, PoisonedNode, type Telling } from "../support/poisoned_node.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";

const NODES = 4;
/** Bad blocks that a node takes of a poisoned one at most. */
const MOST_BAD = 5;

/** Those whose wrong blocks come whole. */
const WHOLE: readonly Poison[] = [
  "flips a byte of each block",
  "sends another file",
  "says that blocks are shorter than they are",
];

describe("a poisoned node in a swarm", () => {
  let scratch: Scratch;
  let source: Source;
  let supernode: Supernode;

  beforeAll(async () => {
    scratch = await Scratch.open("poisoned");
    source = await Source.start(scratch);
    supernode = await startSupernode(scratch, { cdnPattern: "source" });
    scratch.defer(() => supernode.process.stop());
  });
  afterAll(() => scratch?.close());

  /** @param door where it finds the poisoned node, instead of the address that the supernode names */
  async function honest({ address }: PoisonedNode, door: string): Promise<Peer> {
    const ip = freshAddress();
    const peer = await startPeer({
      ip,
      hostAliases: { [address]: door },
      port: 0,
      dataDir: await scratch.directory(`peer-${ip}`),
      supernodes: [parseSupernode(supernode.node)!],
    });
    onTestFinished(() => peer.close());
    return peer;
  }

  /** What a client of the node reads. */
  async function pull(peer: Peer, { url, sha256 }: SourceUrl): Promise<string> {
    const open = await peer.open({
      url,
      headers: {},
      digest: { algorithm: "sha256", hex: sha256 },
    });
    const hash = createHash("sha256");
    for await (const chunk of open.stream() as unknown as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
    }
    await open.done;
    return hash.digest("hex");
  }

  /** Those whose lies are plain; a node that breaks off or is slow may only be dying. */
  const NAMED: readonly Poison[] = [
    "flips a byte of each block",
    "sends another file",
    "says that blocks are shorter than they are",
    "never ends",
  ];

  it.each(Object.keys(POISONS) as Poison[])(
    "that %s is found out, and everybody gets the right bytes",
    (poison) => beside(poison),
  );

  it.each<[Poison, Telling]>([
    ["flips a byte of each block", "nothing"],
    ["flips a byte of each block", "what is right"],
    ["flips a byte of each block", "what it sends where it flips a byte"],
    ["sends a byte a second", "what is right"],
  ])(
    "that %s, and had said to the supernode that it has all and told %s of it, is found out",
    (poison, tells) => beside(poison, tells),
  );

  async function beside(poison: Poison, tells?: Telling): Promise<void> {
    // Slow enough that the nodes have time to ask the poisoned one, which says that it has all.
    const name = `${poison} ${tells ?? ""}.bin`.replaceAll(" ", "-");
    const file = source.add(name, 24 * MB + 77, { bytesPerSecond: 2 * MB });
    const doors = Array.from({ length: NODES }, freshAddress);
    const poisoned = await PoisonedNode.start(scratch, {
      ...{ doors, supernode: supernode.node, file, poison },
      ...(tells ? { tells } : {}),
    });
    const peers = await Promise.all(doors.map((door) => honest(poisoned, door)));
    const got = await Promise.all(peers.map((peer) => pull(peer, file)));
    expect(got).toEqual(peers.map(() => file.sha256));
    expect(poisoned.mostAsked).toBeGreaterThan(0);
    // The others' answers are given up before their end: no bad block of them is taken at all.
    if (WHOLE.includes(poison)) expect(poisoned.mostTaken).toBeLessThanOrEqual(MOST_BAD);
    // What comes from others within a moment is not waited for: that says nothing against one who is slow.
    expect(poisoned.mostAsked).toBeLessThanOrEqual(3 * MOST_BAD);
    // A machine that is out of breath for two seconds costs the blocks under way, four MB each time.
    expect(file.sent()).toBeLessThan(file.size + 12 * MB);
    if (!NAMED.includes(poison)) return;
    const { output } = supernode.process;
    expect(output).toContain(
      `node ${poisoned.address}:${poisoned.port} (${poisoned.address}-1-1795513266.001) hands out wrong blocks`,
    );
    // It does not come in again.
    expect(await poisoned.register()).toMatchObject({ status: 500 });
  }

  it("that says it has time, and sends nothing, is not waited for by one who knows nobody else", async () => {
    const file = source.add("nothing.bin", MB);
    const { address, port } = await silentHolder(blockCount(file.size));
    const neighbour = { id: "holder", ip: address, port, path: "/peer/file/x", near: true };
    const owed = new Set<number>();
    const done = new Set<number>();
    const scripted = await ScriptedSupernode.start(scratch, ({ pathname }, body) => {
      if (pathname === "/peer/registry") {
        const times = { neighbours: [neighbour], leases: [], heartbeatMs: 60_000 };
        const swarm = { version: SWARM_VERSION, blockBytes: blockBytes(file.size), ...times };
        const about = { pieceSize: 4 * MB, cdnSource: "source", asSeed: false, seedTaskID: "" };
        const data = { taskId: file.url, fileLength: file.size, ...about, swarm };
        return { body: { code: Code.success, msg: "success", data } };
      }
      if (pathname !== "/swarm/heartbeat") return { body: { code: Code.success } };
      const [report] = (JSON.parse(body) as HeartbeatRequest).tasks;
      for (const block of report!.owed) owed.add(block);
      for (const lease of report!.leases) if (lease.done === 1) done.add(lease.id);
      const leases = [...owed]
        .filter((block) => !done.has(block))
        .map((block) => ({ id: block, first: block, count: 1 }));
      return { body: { heartbeatMs: 50, tasks: [{ taskId: file.url, known: true, leases }] } };
    });
    const peer = await startPeer({
      ip: freshAddress(),
      port: 0,
      dataDir: await scratch.directory("alone"),
      supernodes: [parseSupernode(scripted.node)!],
    });
    onTestFinished(() => peer.close());
    expect(await pull(peer, file)).toBe(file.sha256);
    expect([...owed].toSorted((a, b) => a - b)).toEqual([...Array(blockCount(file.size)).keys()]);
    expect(file.sent()).toBe(file.size);
  });
});

/** A node that says every 200 ms that it has all of so many blocks and nothing else to do, and never answers. */
async function silentHolder(blocks: number): Promise<{ address: string; port: number }> {
  const bitmap = new Bitmap(blocks);
  for (let block = 0; block < blocks; block++) bitmap.add(block);
  const load = { queueMs: 0, blockMs: 1 };
  const server = createServer((request, response) => {
    if (!request.url?.startsWith("/peer/swarm/")) return;
    response.write(encodeHave({ bitmap, have: [], load }));
    const timer = setInterval(() => response.write(encodeHave({ have: [], load })), 200);
    response.once("close", () => clearInterval(timer));
  });
  const address = freshAddress();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { address, port: (server.address() as AddressInfo).port };
}
