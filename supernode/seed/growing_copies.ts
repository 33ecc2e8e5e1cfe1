import { Condition } from "./condition.ts";

/** Bytes of a file, from `start` up to but not including `end`. */
interface Stretch {
  start: number;
  end: number;
}

/** A copy that is being made, for those who ask for more of it than there is. */
export interface GrowingCopy {
  /**
   * Resolves when a byte of the file is on disk.
   *
   * @returns how many bytes are, from the first on; `Infinity`: all of it
   * @throws why the copy has failed, or the signal's reason
   */
  there(byte: number, signal: AbortSignal): Promise<number>;
  /** Bytes of the file have left for a node: they are no longer on this host alone. */
  handedOut(stretch: Stretch): void;
}

interface Growing {
  /** Bytes on disk, from the first on; `Infinity`: all of it. */
  bytes: number;
  /** Why it grows no more. */
  failure?: Error;
  readonly changed: Condition;
}

/** How far the copies have come that a supernode is making, and who waits for more of them. */
export class GrowingCopies {
  readonly #growing = new Map<string, Growing>();
  readonly #onHandedOut: (taskId: string, stretch: Stretch) => void;

  /** @param onHandedOut told what of a copy has left for a node */
  constructor(onHandedOut: (taskId: string, stretch: Stretch) => void) {
    this.#onHandedOut = onHandedOut;
  }

  /** The copy of a task is being made, and so many bytes of it are on disk, from the first on. */
  grown(taskId: string, bytes: number): void {
    const growing = this.#growing.get(taskId);
    if (!growing) {
      this.#growing.set(taskId, { bytes, changed: new Condition() });
      return;
    }
    // One that begins again is as long as it was: the same bytes come once more.
    growing.bytes = Math.max(growing.bytes, bytes);
    growing.changed.notifyAll();
  }

  /** The copy of a task grows no more: all of it is there, or it has failed. */
  ended(taskId: string, error?: Error): void {
    const growing = this.#growing.get(taskId);
    if (!growing) return;
    this.#growing.delete(taskId);
    if (error) growing.failure = error;
    else growing.bytes = Number.POSITIVE_INFINITY;
    growing.changed.notifyAll();
  }

  /** Bytes on disk of a copy that is being made; `undefined` of any other. */
  bytes(taskId: string): number | undefined {
    return this.#growing.get(taskId)?.bytes;
  }

  /** A copy that is being made; `undefined` of any other. */
  follow(taskId: string): GrowingCopy | undefined {
    const growing = this.#growing.get(taskId);
    if (!growing) return undefined;
    return {
      async there(byte, signal) {
        for (;;) {
          signal.throwIfAborted();
          if (growing.failure) throw growing.failure;
          if (growing.bytes > byte) return growing.bytes;
          await growing.changed.wait(signal);
        }
      },
      handedOut: (stretch) => this.#onHandedOut(taskId, stretch),
    };
  }
}
