import type { OnReadOpts } from "node:net";
import type { Duplex } from "node:stream";
import { BufferPool } from "../runtime/buffer_pool.ts";

/** Bytes that are read at once. */
const READ_BYTES = 256 * 1024;
/** One that is being written, and one that is being read into. */
const BUFFERS = 2;

const relayBuffers = new BufferPool(READ_BYTES, 32);

/**
 * Hands what comes over one connection on to another. Hot path: two large buffers that are used again, where a
 * pipe would take a fresh 64 KiB for each read; and no more is read than the other side takes.
 *
 * @example
 * ```ts
 * const relay = new Relay(client, () => upstream.resume());
 * const upstream = connect({ host, port, onread: relay.onread });
 * upstream.once("close", () => relay.close());
 * ```
 */
export class Relay {
  readonly #to: Duplex;
  readonly #goOn: () => void;
  readonly #buffers = Array.from({ length: BUFFERS }, () => relayBuffers.take(READ_BYTES));
  #next = 0;
  #writing = 0;
  #closed = false;

  /**
   * @param to what is read is written there
   * @param goOn starts reading again, after `onread` had it stop
   */
  constructor(to: Duplex, goOn: () => void) {
    this.#to = to;
    this.#goOn = goOn;
  }

  /** How the connection is to be read. */
  get onread(): OnReadOpts {
    return {
      buffer: () => this.#buffers[this.#next]!,
      callback: (bytes, buffer) => this.#pass(buffer.subarray(0, bytes)),
    };
  }

  /** Nothing more comes. */
  close(): void {
    this.#closed = true;
    this.#giveBack();
  }

  #pass(bytes: Uint8Array): boolean {
    this.#next = (this.#next + 1) % BUFFERS;
    this.#writing += 1;
    this.#to.write(bytes, (error) => {
      this.#writing -= 1;
      // Where it fails the other side is gone, and so are we in a moment.
      if (error) return;
      if (this.#closed) this.#giveBack();
      else if (this.#writing === BUFFERS - 1) this.#goOn();
    });
    return this.#writing < BUFFERS;
  }

  #giveBack(): void {
    if (this.#writing > 0) return;
    for (const buffer of this.#buffers.splice(0)) relayBuffers.give(buffer);
  }
}
