/** Milliseconds between two looks at who is silent. */
const LOOK_INTERVAL_MS = 250;

/** Looks now and then at who has fallen silent, and knows when it was this process that did not listen. */
export class SilenceWatch {
  readonly #look: (deafMs: number) => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param look is told for how long, since the last look, this process was too busy to hear anybody, ms */
  constructor(look: (deafMs: number) => void) {
    this.#look = look;
  }

  start(): void {
    let lastMs = performance.now();
    this.#timer = setInterval(() => {
      // A turn later: reports that have come in meanwhile are heard first.
      setImmediate(() => {
        const nowMs = performance.now();
        this.#look(deafFor(nowMs - lastMs));
        lastMs = nowMs;
      });
    }, LOOK_INTERVAL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Of the time between two looks, what this process was busy with something else, ms. */
function deafFor(passedMs: number): number {
  const lateMs = passedMs - LOOK_INTERVAL_MS;
  return lateMs > LOOK_INTERVAL_MS ? lateMs : 0;
}
