import { createHash } from "node:crypto";
import { open, readdir, rm, stat, truncate, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Peer, parseSupernode, startPeer } from "../../peer/mod.ts";
import type { PieceTask } from "../../protocol/v1/pull_piece.ts";
import { V1Client } from "../../supernode/testing/v1_client.ts";
import { freshAddress } from "../support/addresses.ts";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";

const PIECE = 4 * MB;

/** What happens to a cached file under the node that holds it. */
const DAMAGES: Record<string, (path: string) => Promise<void>> = {
  "has a byte flipped": flip,
  rots: rot,
  "is cut short": async (path) => truncate(path, 4 * MB),
  "is deleted": (path) => rm(path),
};

async function flip(path: string): Promise<void> {
  const file = await open(path, "r+");
  const at = Math.floor((await file.stat()).size / 3);
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 0xff;
  await file.write(byte, 0, 1, at);
  await file.close();
}

/** As a failing disk does it: nobody seems to have written. */
async function rot(path: string): Promise<void> {
  const { atime, mtime } = await stat(path);
  await flip(path);
  await utimes(path, atime, mtime);
}

interface Node {
  peer: Peer;
  dataDir: string;
}

describe("a cached file that is damaged on disk", () => {
  let scratch: Scratch;
  let source: Source;
  let supernode: Supernode;

  beforeAll(async () => {
    scratch = await Scratch.open("damaged-cache");
    source = await Source.start(scratch);
    supernode = await startSupernode(scratch, { cdnPattern: "source" });
    scratch.defer(() => supernode.process.stop());
  });
  afterAll(() => scratch?.close());

  async function node(): Promise<Node> {
    const ip = freshAddress();
    const dataDir = await scratch.directory(`peer-${ip}`);
    const supernodes = [parseSupernode(supernode.node)!];
    const peer = await startPeer({ ip, port: 0, dataDir, supernodes });
    onTestFinished(() => peer.close());
    return { peer, dataDir };
  }

  async function pull({ peer }: Node, { url, sha256 }: SourceUrl): Promise<string> {
    const digest = { algorithm: "sha256" as const, hex: sha256 };
    const file = await peer.open({ url, headers: {}, digest });
    const hash = createHash("sha256");
    for await (const chunk of file.stream() as unknown as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
    }
    await file.done;
    return hash.digest("hex");
  }

  /** Where the supernode sends a v1 client for a file that a node holds. */
  async function toldTo(url: string): Promise<string> {
    const client = new V1Client({ api: `http://${supernode.node}`, url });
    onTestFinished(() => client.close());
    await client.register();
    for (;;) {
      const { code, data } = await client.pull("&dstCid=&range=&result=502&status=700");
      const [piece] = code === 601 ? (data as PieceTask[]) : [];
      if (piece?.path.startsWith("/peer/file/"))
        return `http://${piece.peerIp}:${piece.peerPort}${piece.path}`;
      await sleep(50);
    }
  }

  async function cachedFile({ dataDir }: Node): Promise<string> {
    const names = (await readdir(dataDir)).filter((name) => name.endsWith(".service"));
    expect(names).toHaveLength(1);
    return join(dataDir, names[0]!);
  }

  const fileFor = (name: string) => source.add(name.replaceAll(" ", "-"), 9 * MB + 77);

  it.each(Object.keys(DAMAGES))("and %s is not handed to the node's own client", async (damage) => {
    const file = fileFor(`own ${damage}`);
    const one = await node();
    await pull(one, file);
    await DAMAGES[damage]!(await cachedFile(one));
    expect(await pull(one, file)).toBe(file.sha256);
    expect(await pull(one, file)).toBe(file.sha256);
  });

  it.each(Object.keys(DAMAGES))("and %s spoils no other node's", async (damage) => {
    const file = fileFor(`swarm ${damage}`);
    const [one, two] = [await node(), await node()];
    await pull(one, file);
    await DAMAGES[damage]!(await cachedFile(one));
    expect(await pull(two, file)).toBe(file.sha256);
  });

  it.each(Object.keys(DAMAGES))("and %s is not handed to v1's clients", async (damage) => {
    const file = fileFor(`v1 ${damage}`);
    const one = await node();
    await pull(one, file);
    const path = await cachedFile(one);
    const url = await toldTo(file.url);
    const askFor = (piece: number) =>
      fetch(url, {
        headers: {
          Range: `bytes=${piece * PIECE}-${(piece + 1) * PIECE - 1}`,
          pieceNum: String(piece),
          pieceSize: String(PIECE),
        },
      });
    expect((await askFor(0)).status).toBe(206);
    await DAMAGES[damage]!(path);
    for (const piece of [0, 1, 2]) {
      const answer = await askFor(piece);
      // The bytes of a file that is only gone from its directory are there still.
      if (damage === "is deleted" && answer.status === 206) {
        const content = file.content.subarray(piece * (PIECE - 5), (piece + 1) * (PIECE - 5));
        expect(
          Buffer.from(await answer.arrayBuffer())
            .subarray(4, -1)
            .equals(content),
        ).toBe(true);
      } else expect(answer.status).toBe(404);
    }
  });
});
