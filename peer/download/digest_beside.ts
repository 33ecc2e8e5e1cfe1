import { pieceContent } from "../../protocol/piece_range.ts";
import { FileHash } from "../../runtime/file_hash/file_hash.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { HashedStart } from "../contract.ts";
import type { TaskFile } from "../store/task_file.ts";
import { RunningDigest } from "./running_digest.ts";

const log = getLogger("dfclient");

/** Does what {@link RunningDigest} does, beside the event loop: another thread reads back all pieces, in their turn. */
export class DigestBeside {
  readonly #file: TaskFile;
  readonly #algorithms: readonly string[];
  readonly #hash: FileHash;
  #next = 0;
  #digests: Promise<Map<string, string>> | undefined;

  constructor(file: TaskFile, algorithms: readonly string[]) {
    this.#file = file;
    this.#algorithms = algorithms;
    this.#hash = new FileHash(file.path, algorithms);
  }

  /** The first piece that is not to be hashed yet. */
  get next(): number {
    return this.#next;
  }

  /** See {@link RunningDigest.start}: this costs the event loop a second hash. */
  start(algorithm: string): Promise<HashedStart | undefined> {
    return new RunningDigest(this.#file, [algorithm]).start(algorithm);
  }

  /** A piece has been written. */
  offer(): void {
    const before = this.#next;
    while (this.#file.has(this.#next)) this.#next += 1;
    if (this.#next === before) return;
    const { offset, length } = pieceContent(this.#next - 1, this.#file.layout);
    this.#hash.reached(offset + length);
  }

  /** See {@link RunningDigest.digests}. */
  digests(): Promise<Map<string, string>> {
    this.#digests ??= this.#finish();
    return this.#digests;
  }

  async #finish(): Promise<Map<string, string>> {
    this.offer();
    try {
      const digests = await this.#hash.digests();
      return new Map(this.#algorithms.map((name, index) => [name, digests[index]!]));
    } catch (error) {
      log.warn("{path} is hashed once more, for its thread failed: {reason}", {
        path: this.#file.path,
        reason: (error as Error).message,
      });
      return new RunningDigest(this.#file, this.#algorithms).digests();
    }
  }

  close(): void {
    this.#hash.close();
  }
}
