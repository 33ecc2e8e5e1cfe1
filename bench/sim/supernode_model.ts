/** Milliseconds that the supernode's core is busy with a request. */
export interface ServiceTimes {
  register: number;
  heartbeat: number;
}

/**
 * The supernode's one core: requests are served one after the other, each for as long as was measured
 * at the real one (`bench/service_time/`).
 */
export class SupernodeModel {
  readonly #times: ServiceTimes;
  readonly #at: (timeMs: number, run: () => void) => void;
  #freeMs = 0;
  busyMs = 0;
  readonly requests = { register: 0, heartbeat: 0 };
  /** Requests by the second in which they came. */
  readonly perSecond: number[] = [];

  constructor(times: ServiceTimes, at: (timeMs: number, run: () => void) => void) {
    this.#times = times;
    this.#at = at;
  }

  /** A request has come. Calls `answer` when it has been served, with that time. */
  serve(kind: keyof ServiceTimes, nowMs: number, answer: (doneMs: number) => void): void {
    this.requests[kind] += 1;
    const second = Math.floor(nowMs / 1000);
    this.perSecond[second] = (this.perSecond[second] ?? 0) + 1;
    this.busyMs += this.#times[kind];
    this.#inTurn(this.#times[kind], nowMs, answer);
  }

  /** The supernode's own timer: runs when what came before it has been served. */
  timer(nowMs: number, run: (doneMs: number) => void): void {
    this.#inTurn(0, nowMs, run);
  }

  #inTurn(tookMs: number, nowMs: number, run: (doneMs: number) => void): void {
    const doneMs = Math.max(nowMs, this.#freeMs) + tookMs;
    this.#freeMs = doneMs;
    this.#at(doneMs, () => run(doneMs));
  }
}
