import { readFile } from "node:fs/promises";
import { type Poison, PoisonedNode, type Telling } from "../../tests/support/poisoned_node.ts";
import { answerParent } from "../answer_parent.ts";

/** What the poisoned peer's program is asked: to be one for a file, and to be gone again. */
export type PoisonQuestion =
  | {
      kind: "join";
      supernode: string;
      url: string;
      /** Where the file's bytes lie. */
      path: string;
      poison: Poison;
      /** Absent: it says to its neighbours alone which blocks it holds. */
      tells?: Telling | undefined;
      place: { address: string; port: number };
      /** PEM of the registry's authority. */
      authority: string;
    }
  | { kind: "leave" };

/** What came of a poisoned peer. */
export interface Poisoned {
  /** Blocks that the node asked for which asked most, and those that it took to their end. */
  mostAsked: number;
  mostTaken: number;
  /** Whether the supernode takes it in no more. */
  refused: boolean;
}

let node: PoisonedNode | undefined;
let undo: (() => unknown)[] = [];

answerParent(async (question) => {
  const ask = question as PoisonQuestion;
  if (ask.kind === "join") {
    const { supernode, url, path, poison, tells, place, authority } = ask;
    const content = await readFile(path);
    node = await PoisonedNode.start(
      { defer: (step) => void undo.push(step) },
      {
        ...{ supernode, poison, place, authority },
        ...(tells ? { tells } : {}),
        file: { url, content, size: content.byteLength },
      },
    );
    return undefined;
  }
  const { mostAsked, mostTaken } = node!;
  const refused = (await node!.register()).status !== 200;
  for (const step of undo) await step();
  undo = [];
  return { mostAsked, mostTaken, refused } satisfies Poisoned;
});
