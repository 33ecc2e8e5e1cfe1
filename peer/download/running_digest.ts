import { createHash, type Hash } from "node:crypto";
import { pieceContent } from "../../protocol/piece_range.ts";
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
  #work: Promise<void> = Promise.resolve();

  constructor(file: TaskFile, algorithms: Iterable<string>) {
    this.#file = file;
    this.#hashes = new Map([...algorithms].map((name) => [name, createHash(name)]));
  }

  /** Tells that a piece has been written; `content` is what it holds. */
  offer(piece: number, content: Uint8Array): void {
    if (this.#hashes.size === 0) return;
    this.#work = this.#work.then(async () => {
      if (piece === this.#next) {
        this.#update(content);
        this.#next += 1;
      }
      await this.#catchUp();
    });
    // Whoever awaits `digests` sees the failure.
    this.#work.catch(() => {});
  }

  /**
   * The digests of the whole file, in hex by algorithm; all its pieces must have been offered or lie
   * in the file.
   */
  async digests(): Promise<Map<string, string>> {
    await this.#work;
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
        const chunk = Buffer.allocUnsafe(Math.min(READ_BYTES, length - at));
        await this.#file.readInto(chunk, offset + at);
        this.#update(chunk);
      }
      this.#next += 1;
    }
  }

  #update(bytes: Uint8Array): void {
    for (const hash of this.#hashes.values()) hash.update(bytes);
  }
}
