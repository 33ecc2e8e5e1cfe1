import { putBytes } from "../../runtime/put_bytes.ts";
import { contentBuffers } from "../store/content_buffers.ts";

/** A body that is longer or shorter than it should be. */
export class BadLengthError extends Error {
  override name = "BadLengthError";
}

/** A body of known length, gathered in one buffer. Hot path: one copy a chunk, or none: see {@link FixedBody.rest}. */
export class FixedBody {
  readonly #target: Buffer;
  #filled = 0;

  constructor(length: number) {
    this.#target = contentBuffers.take(length);
  }

  /** Bytes that have come. */
  get filled(): number {
    return this.#filled;
  }

  /** Where the next bytes belong: who reads them to there spares a copy. */
  get rest(): Uint8Array {
    return this.#target.subarray(this.#filled);
  }

  /** One of {@link contentBuffers}. */
  get bytes(): Uint8Array {
    return this.#target;
  }

  /** @throws {BadLengthError} when more comes than should */
  add(chunk: Uint8Array): void {
    const length = this.#target.byteLength;
    if (this.#filled + chunk.byteLength > length) {
      throw new BadLengthError(`more than the ${length} bytes that should come`);
    }
    putBytes(chunk, this.#target, this.#filled);
    this.#filled += chunk.byteLength;
  }

  /**
   * All has come.
   *
   * @throws {BadLengthError} when less came than should
   */
  end(): void {
    const length = this.#target.byteLength;
    if (this.#filled < length) {
      throw new BadLengthError(`${this.#filled} bytes where ${length} should come`);
    }
  }

  /** It is of no use: its buffer is free for others. */
  drop(): void {
    contentBuffers.give(this.#target);
  }
}
