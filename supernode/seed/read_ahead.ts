import { setTimeout as sleep } from "node:timers/promises";
import { Condition } from "./condition.ts";
import { GrowingCopies } from "./growing_copies.ts";

/** How far a copy may be read, and what of it has left already. */
interface Pace {
  /** Bytes of the file, from the first on, that may be read by the nodes' own word. */
  byWord: number;
  /** Bytes that are worth a request to the source. */
  step: number;
  /** Bytes of a block. */
  readonly blockBytes: number;
  /** Bytes handed out of each block of which no node has said yet that it has it. */
  readonly handedOut: Map<number, number>;
  readonly changed: Condition;
}

/** How far the nodes have come that fetch a file from its copy. */
export interface Nodes {
  /** Bytes of a block of the file. */
  blockBytes: number;
  /** Of the copy, they have so many bytes by their own word. */
  heldBytes: number;
  /** See {@link readAheadBytes}. */
  aheadBytes: number;
  /** Whether one of them has said that it has a block. */
  isHeld(block: number): boolean;
}

/** The part of a file that a copy may have more of than all nodes together. */
const AHEAD_PART = 0.04;
/** … but at least so many bytes: each request to the source is for half of that. */
const LEAST_AHEAD = 512 * 1024;
/** Milliseconds between looks whether a file is ours to copy again. */
const LOOK_MS = 100;

/** How many bytes more of a file a copy may have than all nodes together. */
export function readAheadBytes({ length }: { length: number }): number {
  return Math.max(Math.round(AHEAD_PART * length), LEAST_AHEAD);
}

/**
 * Holds copies back that run too far ahead of the nodes that fetch from them: what a supernode's copy alone has is
 * lost with the supernode, and its successor has it fetched again. So that a copy may be a small part of a file
 * ahead, its bytes leave as they come: nodes wait for blocks that are still to come.
 */
export class ReadAhead {
  /** How far the copies have come. */
  readonly copies = new GrowingCopies((taskId, { start, end }) =>
    this.#handedOut(taskId, start, end),
  );
  readonly #paces = new Map<string, Pace>();
  /** Wanted whole, whatever the nodes do. */
  readonly #free = new Set<string>();
  readonly #isOurs: () => boolean;

  /** @param isOurs whether the files are ours to copy, as far as is known now; no copy is read on where not */
  constructor(isOurs: () => boolean = () => true) {
    this.#isOurs = isOurs;
  }

  /** The copy of a task may be so far ahead of the nodes. */
  pace(taskId: string, { blockBytes, heldBytes, aheadBytes, isHeld }: Nodes): void {
    let pace = this.#paces.get(taskId);
    if (!pace) {
      pace = { byWord: 0, step: 0, blockBytes, handedOut: new Map(), changed: new Condition() };
      this.#paces.set(taskId, pace);
    }
    for (const block of pace.handedOut.keys()) if (isHeld(block)) pace.handedOut.delete(block);
    pace.byWord = heldBytes + aheadBytes;
    pace.step = aheadBytes / 2;
    pace.changed.notifyAll();
  }

  /** The copy of a task may be read to its end. */
  release(taskId: string): void {
    const pace = this.#paces.get(taskId);
    this.#paces.delete(taskId);
    pace?.changed.notifyAll();
  }

  /** The copy of a task is wanted for its own sake (preheating): it is held back no more. */
  free(taskId: string): void {
    this.#free.add(taskId);
    this.release(taskId);
  }

  /** Whether the copy of a task was wanted for its own sake. */
  isFree(taskId: string): boolean {
    return this.#free.has(taskId);
  }

  /** A task is gone. */
  forget(taskId: string): void {
    this.#free.delete(taskId);
    this.release(taskId);
  }

  /**
   * Resolves when the copy of a task may be read on from a byte.
   *
   * @param isUrgent whether to let it be done in any case: asked again whenever the nodes have got something
   * @returns up to which byte it may be read; `Infinity`: to its end
   * @throws the signal's reason when it aborts before that
   */
  async pass(
    taskId: string,
    offset: number,
    signal: AbortSignal,
    isUrgent: () => boolean,
  ): Promise<number> {
    for (;;) {
      signal.throwIfAborted();
      if (!this.#isOurs()) {
        await sleep(LOOK_MS, undefined, { signal });
        continue;
      }
      const pace = this.#paces.get(taskId);
      if (!pace || this.#free.has(taskId) || isUrgent()) return Number.POSITIVE_INFINITY;
      const upTo = Math.floor(readableUpTo(pace));
      if (upTo - offset >= pace.step) return upTo;
      await pace.changed.wait(signal);
    }
  }

  #handedOut(taskId: string, start: number, end: number): void {
    const pace = this.#paces.get(taskId);
    if (!pace) return;
    for (let at = start; at < end; ) {
      const block = Math.floor(at / pace.blockBytes);
      const next = Math.min(end, (block + 1) * pace.blockBytes);
      const before = pace.handedOut.get(block) ?? 0;
      // Who asks for a block again begins at its first byte, or where another has broken off.
      pace.handedOut.set(block, Math.max(before, next - block * pace.blockBytes));
      at = next;
    }
    pace.changed.notifyAll();
  }
}

function readableUpTo({ byWord, handedOut }: Pace): number {
  let bytes = byWord;
  for (const sent of handedOut.values()) bytes += sent;
  return bytes;
}
