import { BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";

interface Pace {
  /** Bytes of the file, from the first on, that may be read from the source. */
  upTo: number;
  readonly waiting: Set<() => void>;
}

/** The part of a file that a copy may have more of than all nodes together. */
const AHEAD_PART = 0.04;

/**
 * How many bytes more of a file a copy may have than all nodes together: a small part, but never less than the piece
 * that is to come, and a block that ends with it. A piece is of use to nodes once all of it is there.
 */
export function readAheadBytes({ length, pieceSize }: { length: number; pieceSize: number }) {
  return Math.max(AHEAD_PART * length, pieceSize + BLOCK_BYTES);
}

/**
 * Holds copies back that run too far ahead of the nodes that fetch from them: what a supernode's copy alone has is
 * lost with the supernode, and its successor has it fetched again.
 */
export class ReadAhead {
  readonly #paces = new Map<string, Pace>();
  /** Wanted whole, whatever the nodes do. */
  readonly #free = new Set<string>();

  /** The copy of a task may be read up to this byte; `Infinity`: to its end. */
  allow(taskId: string, upTo: number): void {
    const pace = this.#paces.get(taskId);
    if (upTo === Number.POSITIVE_INFINITY) this.#paces.delete(taskId);
    else if (pace) pace.upTo = upTo;
    else this.#paces.set(taskId, { upTo, waiting: new Set() });
    for (const wake of pace?.waiting ?? []) wake();
  }

  /** The copy of a task is wanted for its own sake (preheating): it is held back no more. */
  free(taskId: string): void {
    this.#free.add(taskId);
    this.allow(taskId, Number.POSITIVE_INFINITY);
  }

  /** A task is gone. */
  forget(taskId: string): void {
    this.#free.delete(taskId);
    this.allow(taskId, Number.POSITIVE_INFINITY);
  }

  /**
   * Resolves when the copy of a task may be read on from a byte.
   *
   * @param isUrgent whether to let it be done in any case: asked again whenever the nodes have got something
   * @throws the signal's reason when it aborts before that
   */
  async pass(
    taskId: string,
    offset: number,
    signal: AbortSignal,
    isUrgent: () => boolean,
  ): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const pace = this.#paces.get(taskId);
      if (!pace || offset < pace.upTo || this.#free.has(taskId) || isUrgent()) return;
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener("abort", wake);
          pace.waiting.delete(wake);
          resolve();
        };
        pace.waiting.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
  }
}
