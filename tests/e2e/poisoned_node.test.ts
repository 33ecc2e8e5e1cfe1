import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Peer, parseSupernode, startPeer } from "../../peer/mod.ts";
import { freshAddress } from "../support/addresses.ts";
import { MB } from "../support/image.ts";
import { POISONS, type Poison, PoisonedNode } from "../support/poisoned_node.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";

const NODES = 4;
/** Bad blocks that a node takes of a poisoned one at most. */
const MOST_BAD = 5;

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
    { timeout: 120_000 },
    async (poison) => {
      // Slow enough that the nodes have time to ask the poisoned one, which says that it has all.
      const file = source.add(`${poison}.bin`.replaceAll(" ", "-"), 40 * MB + 77, {
        bytesPerSecond: 2 * MB,
      });
      const doors = Array.from({ length: NODES }, freshAddress);
      const poisoned = await PoisonedNode.start(scratch, {
        doors,
        supernode: supernode.node,
        file,
        poison,
      });
      const peers = await Promise.all(doors.map((door) => honest(poisoned, door)));
      const got = await Promise.all(peers.map((peer) => pull(peer, file)));
      expect(got).toEqual(peers.map(() => file.sha256));
      expect(poisoned.mostAsked).toBeGreaterThan(0);
      expect(poisoned.mostTaken).toBeLessThanOrEqual(MOST_BAD);
      // What comes from others within a moment is not waited for: that says nothing against a slow one.
      const hasty = poison === "sends a byte a second" ? 2 * MOST_BAD : 0;
      expect(poisoned.mostAsked).toBeLessThanOrEqual(MOST_BAD + hasty);
      if (!NAMED.includes(poison)) return;
      const { output } = supernode.process;
      expect(output).toContain(
        `node ${poisoned.address}:${poisoned.port} (${poisoned.address}-1-1795513266.001) hands out wrong blocks`,
      );
      // It does not come in again, and nobody went to the source for all that it had spoilt. A machine that
      // is out of breath for two seconds costs the blocks under way, a tenth of this file each time.
      expect(await poisoned.register()).toMatchObject({ status: 500 });
      expect(file.sent()).toBeLessThan(1.3 * file.size);
    },
  );
});
