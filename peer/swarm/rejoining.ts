import type { BlockRun } from "../../protocol/swarm/blocks.ts";
import { type Registered, registerClient } from "../download/register_client.ts";
import type { SwarmOptions } from "../download/swarm_types.ts";
import type { TaskFile } from "../store/task_file.ts";

/** Milliseconds between attempts to find a supernode again. */
const REJOIN_MS = 1000;
/** Attempts of one who has the whole file, each after twice the time; then its own users bring it back. */
const ANNOUNCE_TRIES = 8;

/** What a supernode that has taken this node in again says. */
export type Rejoined = Exclude<Registered, { error: string }>;

export interface RejoiningOptions {
  swarm: SwarmOptions;
  file: TaskFile;
  /** What is being fetched from the source meanwhile. */
  fetching(): readonly BlockRun[];
  /** Whether the download runs: then {@link Rejoining.tick} is called, else a timer does it. */
  isDownloading(): boolean;
  onRejoined(registered: Rejoined): void;
  /** Nobody takes this node in any more. */
  onGivenUp(): void;
}

/**
 * After the supernode has gone, or forgotten this node: it, or the next one, is to hear what the node holds.
 * Neighbours go on meanwhile.
 */
export class Rejoining {
  readonly #options: RejoiningOptions;
  #dueMs = Number.POSITIVE_INFINITY;
  #isTrying = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RejoiningOptions) {
    this.#options = options;
  }

  /** Whether a supernode has been asked to take this node in again: its answer says what is to be fetched. */
  get isAsking(): boolean {
    return this.#isTrying;
  }

  /** There is a supernode to be found. */
  soon(): void {
    this.#dueMs = performance.now();
    if (!this.#options.isDownloading()) this.#announce(0, REJOIN_MS);
  }

  /** To be called some times a second while the download runs. */
  tick(nowMs: number): void {
    if (nowMs < this.#dueMs || this.#isTrying) return;
    this.#isTrying = true;
    // It never rejects.
    void this.#try().finally(() => {
      this.#isTrying = false;
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #announce(tries: number, pauseMs: number): void {
    const { supernodes } = this.#options.swarm;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      // It never rejects.
      () =>
        void this.#try().then(() => {
          if (this.#stopped || !Number.isFinite(this.#dueMs)) return;
          if (tries >= ANNOUNCE_TRIES) this.#options.onGivenUp();
          // Where no supernode answers nobody was troubled by it.
          else if (supernodes.candidates(performance.now(), Math.random).length === 0)
            this.#announce(tries, REJOIN_MS);
          else this.#announce(tries + 1, pauseMs * 2);
        }),
      // All nodes have lost it together.
      tries === 0 ? Math.random() * pauseMs : pauseMs,
    );
    this.#timer.unref();
  }

  async #try(): Promise<void> {
    const { swarm, file, fetching, onRejoined, onGivenUp } = this.#options;
    this.#dueMs = performance.now() + REJOIN_MS;
    const registered = await registerClient(swarm, file, fetching()).catch(() => undefined);
    if (!registered || this.#stopped) return;
    if ("error" in registered) {
      // Nobody vouches for us any more: whoever pulls here next will.
      if (registered.needAuth && file.complete) onGivenUp();
      return;
    }
    this.#dueMs = Number.POSITIVE_INFINITY;
    onRejoined(registered);
  }
}
