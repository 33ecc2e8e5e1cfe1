/**
 * Runs tasks one after the other, as far as they are quick: one that has waited for `patienceMs` for
 * those before it no longer does.
 */
export class InTurn {
  readonly #patienceMs: number;
  /** Settles, never rejects, with the task that was begun last. */
  #last: Promise<unknown> | undefined;

  /** @param patienceMs how long to wait for others, ms */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** Runs a task in its turn; settles as it does. */
  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const before = this.#last;
    const running = before ? this.#waitFor(before).then(task) : task();
    const settled = running.catch(() => {});
    this.#last = settled;
    void settled.then(() => {
      if (this.#last === settled) this.#last = undefined;
    });
    return running;
  }

  async #waitFor(before: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#patienceMs);
    });
    await Promise.race([before, patience]);
    clearTimeout(timer);
  }
}
