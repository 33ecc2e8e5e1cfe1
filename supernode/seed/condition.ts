/** What some wait for until another says that it may have come about: a condition variable. */
export class Condition {
  readonly #waiting = new Set<() => void>();

  /** Wakes all who wait: each looks for itself whether it may go on. */
  notifyAll(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Resolves when one is woken, or the signal aborts. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
