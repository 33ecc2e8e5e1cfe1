/** What an honest line brings at once, however slow it is: one packet of a TCP stream, bytes. */
const PACKET_BYTES = 1220;
/** A neighbour that says it has time, and sends nothing for so long, keeps us waiting, ms, */
const PATIENCE_MS = 400;
/** … or for so many times as long as a block would take by its own word. */
const PATIENCE_FACTOR = 3;
/** So long it may take where it does not know that itself, ms. */
const UNKNOWN_MS = 300;
/**
 * The most that counts of the time between two of its words, ms: one that is short of processor time says nothing
 * meanwhile, and when it goes on its next word may come a moment before its bytes.
 */
const MOST_COUNTED_MS = 250;

/** How busy a neighbour says it is. */
interface Word {
  queueMs: number;
  /** 0: it does not know. */
  blockMs: number;
}

/**
 * What a neighbour owes by its own word: for how long it has been asked for blocks, and has said that it has time, while
 * next to nothing came of any. Who is silent owes nothing here, and who says that he is busy has longer. Pure.
 */
export class Debt {
  #requests = 0;
  #bytes = 0;
  #spokeMs = 0;
  #waitedMs = 0;
  #promisedMs = UNKNOWN_MS;
  #isDoubted = false;

  /** Whether it is asked for anything. */
  get isAsked(): boolean {
    return this.#requests > 0;
  }

  /** Whether it has kept us waiting for longer than its word explains. */
  get isOverdue(): boolean {
    return this.#waitedMs >= Math.max(PATIENCE_MS, PATIENCE_FACTOR * this.#promisedMs);
  }

  /** Whether nobody need wait for it any more: from {@link doubt} until something comes. */
  get isDoubted(): boolean {
    return this.#isDoubted;
  }

  asked(nowMs: number): void {
    if (this.#requests === 0) this.#begin(nowMs);
    this.#requests += 1;
  }

  /** A request is over, well or not. */
  over(): void {
    this.#requests -= 1;
  }

  /** It says how busy it is. */
  spoke({ queueMs, blockMs }: Word, nowMs: number): void {
    if (this.isAsked) this.#waitedMs += Math.min(nowMs - this.#spokeMs, MOST_COUNTED_MS);
    this.#spokeMs = nowMs;
    this.#promisedMs = blockMs === 0 ? UNKNOWN_MS : queueMs + blockMs;
  }

  /** Bytes of a block have come. */
  came(bytes: number, nowMs: number): void {
    this.#bytes += bytes;
    if (this.#bytes < PACKET_BYTES) return;
    this.#begin(nowMs);
    this.#isDoubted = false;
  }

  /** @returns whether that is news */
  doubt(): boolean {
    const isNews = !this.#isDoubted;
    this.#isDoubted = true;
    return isNews;
  }

  #begin(nowMs: number): void {
    this.#bytes = 0;
    this.#waitedMs = 0;
    this.#spokeMs = nowMs;
  }
}
