import { PathKey } from "../../protocol/path_pass.ts";

/**
 * What makes the path of the supernode's own copy a key: who knows only the task's id asks in vain. Passes
 * are told to clients that the source let in, and expire. A supernode that starts anew takes none from before, and the
 * clients ask it for new ones.
 */
export class PathPass {
  readonly #key: PathKey;
  readonly #nowMs: () => number;

  /** @param nowMs ms, of a clock that nobody sets */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#key = PathKey.make(nowMs());
  }

  /** A pass for the copy of a task, to be put at the end of its path. */
  issue(taskId: string): string {
    return this.#key.pass(taskId, this.#nowMs());
  }

  accepts(taskId: string, pass: string): boolean {
    return this.#key.accepts(taskId, pass, this.#nowMs());
  }
}
