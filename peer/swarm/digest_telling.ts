import type { BlockRun } from "../../protocol/swarm/blocks.ts";
import { MAX_TOLD, type ToldDigests } from "../../protocol/swarm/messages.ts";
import type { TaskFile } from "../store/task_file.ts";

/**
 * Tells the supernode, where that asks, what blocks hash to that lay here before it knew this node. They are read
 * again where the digest is not known from when they came.
 */
export class DigestTelling {
  readonly #file: TaskFile;
  readonly #onNews: () => void;
  readonly #told: ToldDigests[] = [];
  #work = Promise.resolve();

  /** @param onNews told when there is something to {@link take} */
  constructor(file: TaskFile, onNews: () => void) {
    this.#file = file;
    this.#onNews = onNews;
  }

  ask(runs: readonly BlockRun[]): void {
    if (runs.length === 0) return;
    this.#work = this.#work
      .then(() => this.#gather(runs))
      // A file that is being dropped has nothing to tell.
      .catch(() => {});
  }

  /** What is to be told, once. */
  take(): ToldDigests[] {
    return this.#told.splice(0, MAX_TOLD);
  }

  async #gather(runs: readonly BlockRun[]): Promise<void> {
    for (const { first, count } of runs) {
      let run: ToldDigests | undefined;
      for (let block = first; block < first + count; block++) {
        const digest = await this.#file.digestOf(block);
        if (!digest) {
          run = undefined;
          continue;
        }
        if (!run) this.#told.push((run = { first: block, digests: [] }));
        run.digests.push(Buffer.from(digest).toString("base64"));
      }
    }
    this.#onNews();
  }
}
