import { putBytes } from "../../runtime/put_bytes.ts";
import { blockBuffers } from "../store/block_buffers.ts";
import type { BodyCount } from "./body_count.ts";
import { BadLengthError } from "./fixed_body.ts";

/** Parts that wait to be kept before no more is read. */
const MOST_WAITING = 2;
const NOTHING = new Uint8Array(0);

export interface PartsBodyOptions {
  /** Those that are read at the same time. */
  bodies: BodyCount;
  /**
   * Keeps a part, one of {@link blockBuffers} where it is of that size; parts are handed on one after the other.
   */
  onPart(index: number, content: Uint8Array): Promise<void>;
  /**
   * Told which part is coming in, or that all are there (their number), and what has come of it, to be read during the
   * call only.
   */
  onProgress?: ((part: number, come: Uint8Array) => void) | undefined;
}

/**
 * A body that consists of parts of known lengths: each is handed on as soon as it is whole. The next part is read
 * while the last one is being kept, not further ahead: memory stays bounded. Hot path.
 */
export class PartsBody {
  readonly #lengths: readonly number[];
  readonly #options: PartsBodyOptions;
  #part = 0;
  /** Absent until something comes: a server may take its time to answer. */
  #target: Buffer | undefined;
  #filled = 0;
  #keeping: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Resolves when the last part but one is kept, or cannot be. */
  #lastButOne: Promise<void> = Promise.resolve();

  /** @param lengths of the parts, bytes */
  constructor(lengths: readonly number[], options: PartsBodyOptions) {
    this.#lengths = lengths;
    this.#options = options;
    options.bodies.enter();
  }

  /** Where the next bytes belong: who reads them to there spares a copy. */
  get rest(): Uint8Array {
    return this.#place().subarray(this.#filled);
  }

  /**
   * @returns kept when there is room for more; absent: there is
   * @throws {BadLengthError} when more comes than should
   */
  add(chunk: Uint8Array): Promise<void> | undefined {
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.#part === this.#lengths.length) throw new BadLengthError("more than should come");
      const target = this.#place();
      const fits = Math.min(chunk.byteLength - at, target.byteLength - this.#filled);
      putBytes(chunk.subarray(at, at + fits), target, this.#filled);
      at += fits;
      this.#filled += fits;
      if (this.#filled === target.byteLength) this.#next(target);
    }
    this.#options.onProgress?.(this.#part, this.#target?.subarray(0, this.#filled) ?? NOTHING);
    if (this.#options.bodies.isMany)
      return this.#waiting > 0 ? this.#keeping.catch(() => {}) : undefined;
    return this.#waiting < MOST_WAITING ? undefined : this.#lastButOne;
  }

  /**
   * No more comes; resolves when all parts are kept.
   *
   * @throws {BadLengthError} when parts are missing, and what `onPart` threw
   */
  async end(): Promise<void> {
    const missing = this.#lengths.length - this.#part;
    await this.#keeping;
    if (missing > 0) throw new BadLengthError(`${missing} parts are missing`);
  }

  /** To be called once, when no more is read: a part that was coming in is of no use, its buffer free for others. */
  drop(): void {
    this.#options.bodies.leave();
    if (this.#target) blockBuffers.give(this.#target);
    this.#target = undefined;
  }

  #place(): Buffer {
    this.#target ??= blockBuffers.take(this.#lengths[this.#part] ?? 0);
    return this.#target;
  }

  #next(content: Buffer): void {
    const part = this.#part;
    const before = this.#keeping;
    this.#lastButOne = before.catch(() => {});
    this.#waiting += 1;
    this.#keeping = before
      .then(() => this.#options.onPart(part, content))
      .finally(() => {
        this.#waiting -= 1;
      });
    // Whoever awaits `end` sees it.
    this.#keeping.catch(() => {});
    this.#part += 1;
    this.#filled = 0;
    this.#target = undefined;
  }
}
