/** So long a pause is remembered at least, and at most for twice this time, ms. */
const REMEMBERED_MS = 5000;

/**
 * The longest silence of late after which somebody was heard again: who has been silent for no longer
 * may well be alive. Where hosts are short of processor time all are silent for a while now and then,
 * and to take them for dead makes work for everybody.
 *
 * @example
 * ```ts
 * const pauses = new LongestPause();
 * pauses.note(1200, nowMs);
 * pauses.ms(nowMs + 1000); // 1200
 * ```
 */
export class LongestPause {
  #ms = 0;
  #beforeMs = 0;
  #sinceMs = 0;

  /** Somebody is heard again after `ms` milliseconds. */
  note(ms: number, nowMs: number): void {
    this.#forget(nowMs);
    if (ms > this.#ms) this.#ms = ms;
  }

  /** Milliseconds; 0 where none was noted of late. */
  ms(nowMs: number): number {
    this.#forget(nowMs);
    return Math.max(this.#ms, this.#beforeMs);
  }

  #forget(nowMs: number): void {
    const passedMs = nowMs - this.#sinceMs;
    if (passedMs < REMEMBERED_MS) return;
    this.#beforeMs = passedMs < 2 * REMEMBERED_MS ? this.#ms : 0;
    this.#ms = 0;
    this.#sinceMs = nowMs;
  }
}
