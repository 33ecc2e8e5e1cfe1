import { changesBetween } from "./changes.ts";
import type { ChangeMessage, ConsoleView, Point, ViewMessage } from "./messages.ts";

/** Viewers at once at most. */
export const MOST_VIEWERS = 32;
/** Milliseconds between two looks. */
const TICK_MS = 1000;
/** A look that takes long is not repeated before this many times as long: 4 % of one processor. */
const PAUSE_FACTOR = 25;
/** Ticks without a change after which a viewer hears that we are still there. */
const QUIET_TICKS = 10;
/** A viewer that has not read what was sent for so many ticks is let go. */
const MOST_TICKS_BEHIND = 30;
/** Bytes that wait for a viewer at most before it is passed over. */
const MOST_WAITING = 1 << 20;

export interface FeedOptions {
  build(): ConsoleView;
  history: { after(atMs?: number): Point[] };
  /** ms since the epoch. */
  now(): number;
}

interface Viewer {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Ticks since it was passed over because it does not read; then it needs the whole view again. */
  behind: number;
}

const encoder = new TextEncoder();

/**
 * Feeds all viewers by server-sent events: each gets the whole view first, then what changes, at most
 * once a second. The view is made once for all, and not at all while nobody looks.
 */
export class Feed {
  readonly #options: FeedOptions;
  readonly #viewers = new Set<Viewer>();
  #view: ConsoleView | undefined;
  #sentPointMs = Number.NEGATIVE_INFINITY;
  #quietTicks = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** A new viewer's stream of events; `undefined` where there are too many. */
  open(): ReadableStream<Uint8Array> | undefined {
    if (this.#viewers.size >= MOST_VIEWERS) return undefined;
    let viewer: Viewer;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          viewer = { controller, behind: 0 };
          this.#welcome(viewer);
        },
        cancel: () => this.#leave(viewer),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MOST_WAITING }),
    );
  }

  /** Ends all streams. */
  close(): void {
    for (const viewer of this.#viewers) this.#end(viewer);
  }

  #welcome(viewer: Viewer): void {
    this.#viewers.add(viewer);
    if (!this.#view) {
      this.#view = this.#options.build();
      this.#sentPointMs = this.#options.history.after().at(-1)?.[0] ?? this.#sentPointMs;
      this.#schedule(0);
    }
    viewer.controller.enqueue(this.#wholeView(this.#view));
  }

  #wholeView(view: ConsoleView): Uint8Array {
    const history = this.#options.history.after().filter(([ms]) => ms <= this.#sentPointMs);
    const message: ViewMessage = { nowMs: this.#options.now(), view, history };
    return event("view", message);
  }

  #schedule(tookMs: number): void {
    const pauseMs = Math.max(TICK_MS, tookMs * PAUSE_FACTOR);
    this.#timer = setTimeout(() => this.#tick(), pauseMs);
    this.#timer.unref();
  }

  #tick(): void {
    const beganMs = performance.now();
    const view = this.#options.build();
    const change = changesBetween(this.#view ?? view, view);
    const history = this.#options.history.after(this.#sentPointMs);
    this.#view = view;
    this.#sentPointMs = history.at(-1)?.[0] ?? this.#sentPointMs;
    let message: Uint8Array | undefined;
    if (change || history.length > 0 || ++this.#quietTicks >= QUIET_TICKS) {
      this.#quietTicks = 0;
      const news: ChangeMessage = { nowMs: this.#options.now(), change: change ?? {}, history };
      message = event("change", news);
    }
    for (const viewer of [...this.#viewers]) this.#send(viewer, message, view);
    if (this.#viewers.size > 0) this.#schedule(performance.now() - beganMs);
  }

  #send(viewer: Viewer, message: Uint8Array | undefined, view: ConsoleView): void {
    const reads = (viewer.controller.desiredSize ?? 0) > 0;
    if (!reads) {
      viewer.behind += 1;
      if (viewer.behind > MOST_TICKS_BEHIND) this.#end(viewer);
    } else if (viewer.behind > 0) {
      viewer.behind = 0;
      viewer.controller.enqueue(this.#wholeView(view));
    } else if (message) viewer.controller.enqueue(message);
  }

  #end(viewer: Viewer): void {
    this.#leave(viewer);
    try {
      viewer.controller.close();
    } catch {
      // It has gone by itself.
    }
  }

  #leave(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0) return;
    clearTimeout(this.#timer);
    this.#view = undefined;
  }
}

function event(name: string, data: object): Uint8Array {
  return encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}
