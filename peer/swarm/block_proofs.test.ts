import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { DigestsAnswer } from "../../protocol/swarm/messages.ts";
import { sealKeyToWire, signDigests } from "../../protocol/swarm/seal.ts";
import { BlockProofs } from "./block_proofs.ts";
import { Standing } from "./standing.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const digest = (text: string) => new Uint8Array(createHash("sha256").update(text).digest());
const sealOf = (block: number, text: string, version = 0) =>
  signDigests(privateKey, {
    first: block,
    version,
    digests: digest(text),
  }) as DigestsAnswer["seals"][number];

/** A node's proofs of ten blocks, and what they have said. */
function proving({ seals = true } = {}) {
  const said: string[] = [];
  const held = new Set<number>();
  const withheld = new Set<number>();
  const standings = new Map<string, Standing>();
  const standing = (id: string) => {
    let one = standings.get(id);
    if (!one) standings.set(id, (one = new Standing()));
    return one;
  };
  const asked: number[][] = [];
  let answer: DigestsAnswer = { seals: [], unknown: [] };
  const proofs = new BlockProofs(10, {
    file: {
      has: (block) => held.has(block),
      withholdPiece: (block) => void withheld.add(block),
    },
    fileName: "test",
    standing,
    ask: async (blocks) => {
      asked.push(blocks);
      return answer;
    },
    onConfirmed: (block) => {
      held.add(block);
      said.push(`confirmed ${block}`);
    },
    onLost: (block) => {
      held.delete(block);
      said.push(`lost ${block}`);
    },
    onUseless: (block, lacking) => said.push(`useless ${block}${lacking ? ` at ${lacking}` : ""}`),
    onRedeemed: (id, block) => said.push(`redeemed ${block} of ${id}`),
    onWrong: (id, block) => said.push(`wrong ${block} of ${id}`),
    onStanding: () => {},
  });
  if (seals) proofs.digests.trust(sealKeyToWire(publicKey));
  /** A neighbour's block comes, and is written. */
  let cameMs = 0;
  const come = (block: number, text: string, from = "them") => {
    cameMs = performance.now();
    const isProven = proofs.needsNoSeal(block);
    proofs.received(block, digest(text), isProven ? undefined : from);
    if (isProven) held.add(block);
    else proofs.stage(block, digest(text), from);
  };
  return {
    ...{ proofs, said, held, withheld, standing, asked, come },
    answers: (next: DigestsAnswer) => {
      answer = next;
    },
    /** So many milliseconds after the last block came, with a supernode unless said otherwise. */
    later: (ms: number, alone = false) => proofs.lookAfter(cameMs + ms, alone),
  };
}

describe("a neighbour's block", () => {
  it("waits for its seal, and is confirmed by it", () => {
    const { proofs, said, come, standing } = proving();
    expect(proofs.needsNoSeal(3)).toBe(false);
    come(3, "three");
    expect(said).toEqual([]);
    expect(standing("them")).toMatchObject({ waiting: 1, right: 0 });
    proofs.learn(sealOf(3, "three"));
    expect(said).toEqual(["confirmed 3"]);
    expect(standing("them")).toMatchObject({ waiting: 0, right: 1, wrong: 0 });
  });

  it("that its seal contradicts is of no use, and its sender is accused", () => {
    const { proofs, said, come, standing } = proving();
    come(3, "bad");
    proofs.learn(sealOf(3, "three"));
    expect(said).toEqual(["useless 3", "wrong 3 of them"]);
    expect(standing("them")).toMatchObject({ waiting: 0, right: 0, wrong: 1 });
  });

  it("finds the seal that came while it was written", () => {
    const { proofs, said } = proving();
    proofs.received(3, digest("three"), "them");
    proofs.learn(sealOf(3, "three"));
    expect(said).toEqual([]);
    proofs.stage(3, digest("three"), "them");
    expect(said).toEqual(["confirmed 3"]);
  });

  it("is known to be wrong before it is written where its seal is here", () => {
    const { proofs } = proving();
    expect(proofs.contradicts(3, digest("bad"))).toBe(false);
    proofs.learn(sealOf(3, "three"));
    expect(proofs.needsNoSeal(3)).toBe(true);
    expect(proofs.contradicts(3, digest("bad"))).toBe(true);
    expect(proofs.contradicts(3, digest("three"))).toBe(false);
  });

  it("needs no seal where the supernode seals nothing", () => {
    expect(proving({ seals: false }).proofs.needsNoSeal(3)).toBe(true);
  });

  it("is judged by what the source sends meanwhile", () => {
    const { proofs, said, come, standing } = proving();
    come(3, "three", "honest");
    come(4, "bad", "liar");
    for (const [block, text] of [
      [3, "three"],
      [4, "four"],
    ] as const)
      proofs.fetched(block, digest(text));
    expect(standing("honest")).toMatchObject({ waiting: 0, right: 1, wrong: 0 });
    expect(standing("liar")).toMatchObject({ waiting: 0, right: 0, wrong: 1 });
    expect(said).toEqual(["wrong 4 of liar"]);
  });

  it("is judged by what the source has sent when it was still being written", () => {
    const { proofs, held, said, standing } = proving();
    proofs.received(3, digest("bad"), "them");
    proofs.fetched(3, digest("three"));
    held.add(3);
    proofs.stage(3, digest("bad"), "them");
    expect(said).toEqual(["wrong 3 of them"]);
    expect(standing("them")).toMatchObject({ waiting: 0, wrong: 1 });
  });

  it("that comes once more, and is another, counts against its sender until more is known", () => {
    const { proofs, come, standing } = proving();
    come(3, "three");
    proofs.receivedAgain(3, digest("three"), "same");
    proofs.receivedAgain(3, digest("bad"), "other");
    expect(standing("same").unsettled).toBe(0);
    expect(standing("other").unsettled).toBe(1);
  });
});

describe("a block that nobody seals", () => {
  it("is asked for, and taken in the end from one against whom nothing speaks", async () => {
    const { said, come, asked, answers, later, standing } = proving();
    answers({ seals: [], unknown: [3] });
    come(3, "three");
    later(200);
    expect(asked).toEqual([]);
    later(400);
    expect(asked).toEqual([[3]]);
    await Promise.resolve();
    later(1900);
    expect(said).toEqual([]);
    later(2100);
    expect(said).toEqual(["confirmed 3"]);
    expect(standing("them")).toMatchObject({ waiting: 0, believed: 1, right: 0 });
  });

  it("is confirmed by the seal that the supernode has of it after all", async () => {
    const { said, come, answers, later } = proving();
    answers({ seals: [sealOf(3, "three")], unknown: [] });
    come(3, "three");
    later(400);
    await new Promise(setImmediate);
    expect(said).toEqual(["confirmed 3"]);
  });

  it("is asked for less and less often", async () => {
    const { come, asked, later } = proving();
    come(3, "three");
    for (let ms = 400; ms <= 4800; ms += 100) {
      later(ms);
      await new Promise(setImmediate);
    }
    // After 0.4, 1, 2.2 and 4.6 s.
    expect(asked).toHaveLength(4);
  });

  it("is given up where something speaks against its sender, or the supernode does not answer", async () => {
    const { said, come, answers, later, standing } = proving();
    answers({ seals: [], unknown: [3] });
    standing("liar").wrong = 1;
    come(3, "three", "liar");
    come(4, "four", "stranger");
    later(400);
    await Promise.resolve();
    later(4900);
    expect(said).toEqual([]);
    later(5100);
    expect(said).toEqual(["useless 3 at liar", "useless 4 at stranger"]);
    expect(standing("stranger")).toMatchObject({ waiting: 0, unsettled: 1 });
  });

  it("is taken at once from one whose blocks were right, and from one of whom any was wrong it is not", async () => {
    const { said, come, answers, later, standing } = proving();
    answers({ seals: [], unknown: [3, 4, 5] });
    standing("trusted").right = 2;
    Object.assign(standing("liar"), { right: 9, wrong: 1 });
    standing("new").right = 1;
    come(3, "three", "trusted");
    come(4, "four", "liar");
    come(5, "five", "new");
    later(400);
    await Promise.resolve();
    later(500);
    expect(said).toEqual(["confirmed 3"]);
  });

  it("is taken without a supernode from one whose blocks were right, and from nobody else", () => {
    const { said, come, asked, later, standing } = proving();
    standing("trusted").right = 2;
    come(3, "three", "trusted");
    come(4, "four", "stranger");
    later(400, true);
    expect(said).toEqual(["confirmed 3"]);
    expect(asked).toEqual([]);
  });

  it("tells on its sender when its seal comes after all, or that the sender has it", () => {
    const { proofs, said, come, later, standing } = proving();
    come(3, "three", "honest");
    come(4, "bad", "liar");
    later(5100);
    said.length = 0;
    proofs.learn(sealOf(3, "three"));
    proofs.learn(sealOf(4, "four"));
    expect(said).toEqual(["redeemed 3 of honest", "wrong 4 of liar"]);
    expect(standing("honest")).toMatchObject({ unsettled: 0, right: 1, wrong: 0 });
    expect(standing("liar")).toMatchObject({ unsettled: 0, right: 0, wrong: 1 });
  });

  it("is given up with its sender, and with nobody else", () => {
    const { proofs, said, come } = proving();
    come(3, "three", "liar");
    come(4, "four");
    proofs.giveUpFrom("liar");
    expect(said).toEqual(["useless 3 at liar"]);
  });
});

describe("a block that is kept", () => {
  it("is fetched again where another is sealed later", () => {
    const { proofs, said, held, come } = proving();
    proofs.learn(sealOf(3, "first"));
    come(3, "first");
    proofs.learn(sealOf(3, "second", 1));
    expect(said).toEqual(["lost 3", "useless 3"]);
    expect(held.has(3)).toBe(false);
  });

  it("stays where the same is sealed later", () => {
    const { proofs, said, come } = proving();
    proofs.learn(sealOf(3, "same"));
    come(3, "same");
    proofs.learn(sealOf(3, "same", 1));
    expect(said).toEqual([]);
  });

  it("from the source is believed against a first seal, but not handed on, and not against a settled one", () => {
    const { proofs, said, held, withheld } = proving();
    proofs.fetched(3, digest("mine"));
    held.add(3);
    proofs.learn(sealOf(3, "theirs"));
    expect([...withheld]).toEqual([3]);
    expect(said).toEqual([]);
    proofs.learn(sealOf(3, "settled", 1));
    expect(said).toEqual(["lost 3", "useless 3"]);
  });

  it("is lost where the source sends another, which others' doubt had it asked for", () => {
    const { proofs, said, come } = proving();
    proofs.learn(sealOf(3, "first"));
    come(3, "first");
    proofs.fetched(3, digest("first"));
    expect(said).toEqual([]);
    proofs.fetched(3, digest("second"));
    expect(said).toEqual(["lost 3"]);
  });
});
