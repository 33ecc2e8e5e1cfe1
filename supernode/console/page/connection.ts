import { applyChange } from "../changes.ts";
import { HISTORY_POINTS } from "../history.ts";
import type { ChangeMessage, ConsoleView, Point, ViewMessage } from "../messages.ts";

/** What the page knows, and whether that is fresh. */
export interface Live {
  state: "connecting" | "live" | "lost";
  /** Why there is no connection, where the supernode says so. */
  reason: string;
  /** When the supernode was last heard of, by this browser's clock, ms. */
  heardMs: number;
  /** By how much the supernode's clock is ahead of this browser's, ms. */
  aheadMs: number;
  view: ConsoleView | undefined;
  history: readonly Point[];
}

/** The supernode says something at least every 10 s; after so long without a word it is lost, ms. */
const SILENCE_MS = 25_000;
const RETRY_MS = { first: 1000, most: 10_000 };
const EVENTS = "/console/events";

/** Listens to the supernode's events for as long as the page is open, and comes back when it is lost. */
export class Connection {
  readonly #onChange: (live: Live) => void;
  #live: Live = {
    ...{ state: "connecting", reason: "", heardMs: Date.now(), aheadMs: 0 },
    ...{ view: undefined, history: [] },
  };
  #source: EventSource | undefined;
  #retryMs = RETRY_MS.first;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;

  constructor(onChange: (live: Live) => void) {
    this.#onChange = onChange;
  }

  /** Connects now, whatever the time of the next try would be. */
  connect(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    const source = new EventSource(EVENTS);
    this.#source = source;
    source.addEventListener("view", ({ data }) => {
      const { nowMs, view, history } = JSON.parse(data) as ViewMessage;
      this.#retryMs = RETRY_MS.first;
      this.#hear(nowMs, { view, history });
    });
    source.addEventListener("change", ({ data }) => {
      const { nowMs, change, history } = JSON.parse(data) as ChangeMessage;
      const before = this.#live;
      if (!before.view) return;
      this.#hear(nowMs, {
        view: applyChange(before.view, change),
        history:
          history.length > 0
            ? [...before.history, ...history].slice(-HISTORY_POINTS)
            : before.history,
      });
    });
    source.addEventListener("error", () => this.#lose(source));
  }

  #hear(nowMs: number, news: Pick<Live, "view" | "history">): void {
    clearTimeout(this.#watchdog);
    const { source } = { source: this.#source };
    this.#watchdog = setTimeout(() => source && this.#lose(source), SILENCE_MS);
    const heardMs = Date.now();
    this.#set({ ...news, state: "live", reason: "", heardMs, aheadMs: nowMs - heardMs });
  }

  #lose(source: EventSource): void {
    if (source !== this.#source) return;
    source.close();
    clearTimeout(this.#watchdog);
    this.#set({ state: "lost" });
    // An EventSource does not tell what it was answered.
    void whyNot().then((reason) => {
      if (this.#source === source) this.#set({ reason });
    });
    this.#retry = setTimeout(() => this.connect(), this.#retryMs);
    this.#retryMs = Math.min(RETRY_MS.most, this.#retryMs * 2);
  }

  #set(changed: Partial<Live>): void {
    this.#live = { ...this.#live, ...changed };
    this.#onChange(this.#live);
  }
}

/** What the supernode says to who asks for its events, where it does not give them. */
async function whyNot(): Promise<string> {
  const abort = new AbortController();
  try {
    const answer = await fetch(EVENTS, { signal: abort.signal });
    return answer.ok ? "" : (await answer.text()).trim();
  } catch {
    return "";
  } finally {
    abort.abort();
  }
}
