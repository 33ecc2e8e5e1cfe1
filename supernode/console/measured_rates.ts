/** How much of a new measurement goes into the mean. */
const SMOOTHING = 0.3;

/** Rates of downloads that do not tell theirs: by how much they have grown since the last look. */
export class MeasuredRates {
  readonly #last = new Map<string, { bytes: number; atMs: number; rate: number }>();
  readonly #seen = new Set<string>();

  /** Bytes a second of late; 0 at the first look. */
  of(id: string, bytes: number, nowMs: number): number {
    this.#seen.add(id);
    const last = this.#last.get(id);
    const passedMs = last ? nowMs - last.atMs : 0;
    if (last && passedMs <= 0) return last.rate;
    const latest = last ? (Math.max(0, bytes - last.bytes) * 1000) / passedMs : 0;
    const rate = last ? last.rate + (latest - last.rate) * SMOOTHING : 0;
    this.#last.set(id, { bytes, atMs: nowMs, rate });
    return rate;
  }

  /** Forgets all that were not asked about since this was called last. */
  forgetOthers(): void {
    for (const id of this.#last.keys()) if (!this.#seen.has(id)) this.#last.delete(id);
    this.#seen.clear();
  }
}
