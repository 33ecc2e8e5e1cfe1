import { randomBytes } from "node:crypto";
import { isPassTo, PASS_KEY_BYTES, passPeriod, passTo } from "../../protocol/path_pass.ts";

/**
 * What makes the path of the supernode's own copy a key: who knows only the task's id asks in vain. Passes
 * are told to clients that the source let in, and expire. They are computed, not kept: a supernode that
 * starts anew takes none from before, and the clients ask it for new ones.
 */
export class PathPass {
  readonly #key = randomBytes(PASS_KEY_BYTES);
  readonly #nowMs: () => number;

  /** @param nowMs ms, of a clock that nobody sets */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** A pass for the copy of a task, to be put at the end of its path. */
  issue(taskId: string): string {
    return passTo(taskId, this.#key, passPeriod(this.#nowMs()));
  }

  accepts(taskId: string, pass: string): boolean {
    const period = passPeriod(this.#nowMs());
    return isPassTo(taskId, pass, this.#key, [period, period - 1]);
  }
}
