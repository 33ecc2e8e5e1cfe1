/** Milliseconds between two looks while nodes are at work. */
const LOOK_MS = 250;
/** … and while all have what they want, and only stay: an idle supernode need not wake for more. */
const QUIET_LOOK_MS = 1000;

export interface SilenceWatchOptions {
  /** Told for how long, since the last look, this process was too busy to hear anybody, ms. */
  look(deafMs: number): void;
  /** Whether any node is at work. */
  isAtWork(): boolean;
}

/** Looks now and then at who has fallen silent, and knows when it was this process that did not listen. */
export class SilenceWatch {
  readonly #options: SilenceWatchOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
  }

  start(): void {
    const sinceMs = performance.now();
    const pauseMs = this.#options.isAtWork() ? LOOK_MS : QUIET_LOOK_MS;
    this.#timer = setTimeout(() => {
      // A turn later: reports that have come in meanwhile are heard first.
      setImmediate(() => {
        if (!this.#timer) return;
        const lateMs = performance.now() - sinceMs - pauseMs;
        this.#options.look(lateMs > LOOK_MS ? lateMs : 0);
        this.start();
      });
    }, pauseMs);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
