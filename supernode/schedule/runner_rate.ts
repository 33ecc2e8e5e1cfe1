/** A rate is measured over this time at least, ms. */
const MEASURE_MS = 100;
/** After so long a runner's rate is believed, ms. */
const SETTLED_MS = 800;
/** A runner is slow when its rate is below this part of what is usual among them. */
const SLOW_PART = 0.25;
/** One that tells of no new byte for so long is not moving, ms. */
const STILL_MS = 10_000;
/** … nor is one that brings no whole block for so long, ms: at less than 9 kB a second nobody should wait for it. */
const MOST_BLOCK_MS = 120_000;

/** How fast a node fetches from the source, by what it has said itself. Pure. */
export class RunnerRate {
  /** Blocks fetched in all. */
  blocks = 0;
  /** When the last one came, or it began, ms. */
  lastBlockMs: number;
  #beganMs: number;
  #bytes = 0;
  #mostBytes = 0;
  /** When it last told of more bytes than before, ms. */
  #lastByteMs: number;
  #isHeard = false;
  readonly #blockBytes: number;
  #rate: number | undefined;
  /** From when on, and from how many bytes, the rate is measured next. */
  #since: { ms: number; bytes: number };

  /** @param blockBytes file bytes of a block */
  constructor(blockBytes: number, nowMs: number) {
    this.#blockBytes = blockBytes;
    this.#beganMs = nowMs;
    this.lastBlockMs = nowMs;
    this.#lastByteMs = nowMs;
    this.#since = { ms: nowMs, bytes: 0 };
  }

  /** Bytes a ms of late; `undefined` while nothing is known. */
  get value(): number | undefined {
    return this.#rate;
  }

  /** What came until now says nothing: it had no lease to be fast with, or another's uplink was asked. */
  skip(nowMs: number): void {
    this.#since = { ms: nowMs, bytes: this.#bytes };
  }

  block(nowMs: number): void {
    this.blocks += 1;
    this.lastBlockMs = nowMs;
  }

  /**
   * It has reported. One that has nothing yet when it is first heard begins only now: on a busy host it may have
   * learnt late what it is to fetch.
   *
   * @param partBytes what it has of the block that it is at
   */
  reported(partBytes: number, nowMs: number): void {
    this.#bytes = this.blocks * this.#blockBytes + partBytes;
    // It tells of each of its leases, of which it works on one.
    if (this.#bytes > this.#mostBytes) {
      this.#mostBytes = this.#bytes;
      this.#lastByteMs = nowMs;
    }
    if (!this.#isHeard && this.#bytes === 0) {
      this.#beganMs = this.lastBlockMs = nowMs;
      this.skip(nowMs);
    }
    this.#isHeard = true;
  }

  /** Measures what was {@link reported}; `undefined` where it is too soon for that. */
  measure(nowMs: number): number | undefined {
    const passedMs = nowMs - this.#since.ms;
    if (passedMs < MEASURE_MS) return undefined;
    const rate = (this.#bytes - this.#since.bytes) / passedMs;
    this.#rate = this.#rate === undefined ? rate : (this.#rate + rate) / 2;
    this.skip(nowMs);
    return this.#rate;
  }

  /** Whether bytes come, however slowly: the source may be slow for everybody. */
  isMoving(nowMs: number): boolean {
    return nowMs - this.#lastByteMs < STILL_MS && nowMs - this.lastBlockMs < MOST_BLOCK_MS;
  }

  /**
   * Whether it is much slower than the others. One who says nothing may be dead, but that is another matter.
   *
   * @param usual see {@link usualRate}
   * @param slackMs how much longer than usual to be patient, ms
   */
  isSlow(usual: number, slackMs = 0): boolean {
    const isSettled = this.#since.ms - this.#beganMs >= SETTLED_MS + slackMs;
    return this.#rate !== undefined && isSettled && this.#rate < usual * SLOW_PART;
  }

  /** Whether it should have the block that it is at before another, as fast as is usual, would have all of it. */
  isFirstWithBlock(usual: number): boolean {
    const left = (this.blocks + 1) * this.#blockBytes - this.#mostBytes;
    return this.#rate !== undefined && left * usual <= this.#blockBytes * this.#rate;
  }
}

/** The median rate of those who fetch, bytes a ms; 0 while unknown. */
export function usualRate(rates: Iterable<RunnerRate>): number {
  const known: number[] = [];
  for (const { value } of rates) if (value !== undefined) known.push(value);
  known.sort((a, b) => a - b);
  return known[known.length >> 1] ?? 0;
}
