import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** A pass is good for at least this long after it was given, and for twice as long at most; ms. */
export const PASS_MS = 10 * 60_000;
/** Bytes of a pass: 192 bits. */
const PASS_BYTES = 24;

/**
 * What makes the path of the supernode's own copy a key: who knows only the task's id asks in vain. Passes
 * are told to clients that the source let in, and expire. They are computed, not kept: a supernode that
 * starts anew takes none from before, and the clients ask it for new ones.
 */
export class PathPass {
  readonly #key = randomBytes(32);
  readonly #nowMs: () => number;

  /** @param nowMs ms, of a clock that nobody sets */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** A pass for the copy of a task, to be put at the end of its path. */
  issue(taskId: string): string {
    return this.#of(taskId, this.#period());
  }

  accepts(taskId: string, pass: string): boolean {
    const given = Buffer.from(pass);
    const period = this.#period();
    return [period, period - 1].some((one) => {
      const right = Buffer.from(this.#of(taskId, one));
      return given.byteLength === right.byteLength && timingSafeEqual(given, right);
    });
  }

  #period(): number {
    return Math.floor(this.#nowMs() / PASS_MS);
  }

  #of(taskId: string, period: number): string {
    const mac = createHmac("sha256", this.#key).update(`${period} ${taskId}`).digest();
    return mac.subarray(0, PASS_BYTES).toString("base64url");
  }
}
