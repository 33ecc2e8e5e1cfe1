/** With fewer downloads of a file at once nobody can tell what is usual. */
const LEAST_DOWNLOADS = 3;
/** A download is slow below this part of the median of its file. */
const SLOW_PART = 0.25;
/** … for so long, ms: one that waits for a moment is not. */
const SLOW_MS = 5000;

/** Finds downloads that are much slower than the others of the same file, for a while. */
export class SlowNodes {
  /** Since when each download is below the mark, ms. */
  readonly #sinceMs = new Map<string, number>();
  readonly #seen = new Set<string>();

  /** Those of one file's downloads that are slow; to be asked about every second or so. */
  among<Download extends { id: string; rate: number }>(
    downloads: readonly Download[],
    nowMs: number,
  ): Download[] {
    if (downloads.length < LEAST_DOWNLOADS) return [];
    const rates = downloads.map(({ rate }) => rate).sort((a, b) => a - b);
    const mark = rates[rates.length >> 1]! * SLOW_PART;
    return downloads.filter(({ id, rate }) => {
      if (rate >= mark) return false;
      this.#seen.add(id);
      const sinceMs = this.#sinceMs.get(id) ?? nowMs;
      this.#sinceMs.set(id, sinceMs);
      return nowMs - sinceMs >= SLOW_MS;
    });
  }

  /** Forgets all that were not below the mark since this was called last. */
  forgetOthers(): void {
    for (const id of this.#sinceMs.keys()) if (!this.#seen.has(id)) this.#sinceMs.delete(id);
    this.#seen.clear();
  }
}
