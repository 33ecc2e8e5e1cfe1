import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Peer, parseSupernode, startPeer } from "../../peer/mod.ts";
import { answerParent } from "../answer_parent.ts";

/** What a process with engines is asked. */
export type EngineQuestion =
  | {
      kind: "start";
      addresses: string[];
      directory: string;
      /** `host:port`. */
      supernode: string;
      /** Where names lead that do not resolve. */
      hostAliases: Record<string, string>;
    }
  | { kind: "download"; url: string; digest: string; ca: string }
  | { kind: "stop" };

/** How the downloads of a process went. */
export interface Downloaded {
  /** Of each engine, s. */
  seconds: number[];
  /** Engines whose bytes had the right digest. */
  verified: number;
}

let peers: Peer[] = [];

answerParent(async (question): Promise<Downloaded | null> => {
  const ask = question as EngineQuestion;
  switch (ask.kind) {
    case "start":
      peers = await Promise.all(ask.addresses.map((address) => start(address, ask)));
      return null;
    case "download": {
      const downloads = await Promise.all(peers.map((peer) => download(peer, ask)));
      return {
        seconds: downloads.map(({ seconds }) => seconds),
        verified: downloads.filter(({ right }) => right).length,
      };
    }
    case "stop":
      await Promise.all(peers.map((peer) => peer.close()));
      peers = [];
      return null;
  }
});

type Ask<Kind> = Extract<EngineQuestion, { kind: Kind }>;

async function start(ip: string, ask: Ask<"start">): Promise<Peer> {
  const { directory, supernode, hostAliases } = ask;
  const dataDir = join(directory, ip);
  await mkdir(dataDir, { recursive: true });
  return startPeer({
    ip,
    port: 0,
    dataDir,
    supernodes: [parseSupernode(supernode)!],
    hostAliases,
    dfdaemon: true,
  });
}

async function download(peer: Peer, { url, digest, ca }: Ask<"download">) {
  const startMs = performance.now();
  const file = await peer.open({ url, headers: {}, tls: { ca: [ca], insecure: false } });
  const hash = createHash("sha256");
  for await (const bytes of file.stream() as unknown as AsyncIterable<Uint8Array>) {
    hash.update(bytes);
    file.giveBack(bytes);
  }
  await file.done;
  const seconds = (performance.now() - startMs) / 1000;
  return { seconds, right: `sha256:${hash.digest("hex")}` === digest };
}
