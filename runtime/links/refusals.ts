import type { Logger } from "../logger.ts";

/** Milliseconds in which one address is complained of once. */
const QUIET_MS = 60_000;
/** Addresses remembered for that. */
const MAX_ADDRESSES = 1000;

/** Says in the log who was not let in and why, without letting strangers fill it. */
export class Refusals {
  readonly #log: Logger;
  readonly #saidMs = new Map<string, number>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param nowMs `performance.now()` */
  say(address: string | undefined, reason: string, nowMs: number): void {
    const from = address ?? "somebody";
    const saidMs = this.#saidMs.get(from);
    if (saidMs !== undefined && nowMs - saidMs < QUIET_MS) return;
    if (this.#saidMs.size >= MAX_ADDRESSES) this.#saidMs.clear();
    this.#saidMs.set(from, nowMs);
    this.#log.warn("{from} was refused: {reason}", { from, reason });
  }
}
