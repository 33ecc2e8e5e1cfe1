import { createHash, type Hash } from "node:crypto";
import { pieceContent } from "../../protocol/piece_range.ts";
import type { HashedStart } from "../contract.ts";
import { blockBuffers } from "../store/block_buffers.ts";
import type { TaskFile } from "../store/task_file.ts";

/** Bytes read back from disk at a time. */
const READ_BYTES = 1024 * 1024;

/**
 * Hashes a file while its pieces come in, in any order: a piece that arrives in turn is hashed from
 * memory, one that came early is read back when its turn comes.
 */
export class RunningDigest {
  readonly #file: TaskFile;
  readonly #hashes: Map<string, Hash>;
  #next = 0;
  #bytes = 0;
  /** Reading back what came early. */
  #work: Promise<void> | undefined;
  #failure: Error | undefined;

  constructor(file: TaskFile, algorithms: Iterable<string>) {
    this.#file = file;
    this.#hashes = new Map([...algorithms].map((name) => [name, createHash(name)]));
  }

  /** The first piece that has not been hashed. */
  get next(): number {
    return this.#next;
  }

  /** The file's first bytes, as far as they are here and can be read. */
  async start(algorithm: string): Promise<HashedStart | undefined> {
    this.offer(this.#next);
    await this.#work;
    const hash = this.#hashes.get(algorithm);
    return hash && { bytes: this.#bytes, hash: hash.copy() };
  }

  /**
   * Tells that a piece has been written; `content` is what it holds, and is not kept. Without it the
   * piece is read back.
   */
  offer(piece: number, content?: Uint8Array): void {
    // Whoever reads pieces back comes to this one, too.
    if (this.#hashes.size === 0 || this.#work || this.#failure) return;
    if (content && piece === this.#next) {
      this.#update(content);
      this.#next += 1;
    }
    if (!this.#file.has(this.#next)) return;
    this.#work = this.#catchUp()
      .catch((error: Error) => {
        // Whoever awaits `digests` sees it.
        this.#failure = error;
      })
      .finally(() => {
        this.#work = undefined;
      });
  }

  /**
   * The digests of the whole file, in hex by algorithm; all its pieces must have been offered or lie
   * in the file.
   */
  async digests(): Promise<Map<string, string>> {
    await this.#work;
    if (this.#failure) throw this.#failure;
    await this.#catchUp();
    return new Map([...this.#hashes].map(([name, hash]) => [name, hash.copy().digest("hex")]));
  }

  async #catchUp(): Promise<void> {
    if (this.#hashes.size === 0) return;
    while (this.#file.has(this.#next)) {
      // While the length is unknown, a piece on disk may turn out to be a short last one.
      if (this.#file.layout.length < 0 && !this.#file.has(this.#next + 1)) return;
      const { offset, length } = pieceContent(this.#next, this.#file.layout);
      for (let at = 0; at < length; at += READ_BYTES) {
        const chunk = blockBuffers.take(Math.min(READ_BYTES, length - at));
        await this.#file.readInto(chunk, offset + at);
        this.#update(chunk);
        blockBuffers.give(chunk);
      }
      this.#next += 1;
    }
  }

  #update(bytes: Uint8Array): void {
    this.#bytes += bytes.byteLength;
    for (const hash of this.#hashes.values()) hash.update(bytes);
  }
}
