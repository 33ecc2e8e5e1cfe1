/** The right of one client to fetch a piece from the source. */
interface Lease<Holder> {
  readonly holder: Holder;
  readonly sinceMs: number;
  /** When its holder said that the piece has arrived. */
  arrivedMs?: number;
}

/** However much its holder does elsewhere, a lease ends after this, ms. */
const LONGEST_LEASE_MS = 60_000;
/** A piece that has arrived for so long is on disk, ms, though its holder has not said so. */
const WRITTEN_MS = 3000;

/**
 * Who may fetch which piece from the source: one client a piece, so that the source sends each byte
 * once however many clients start at the same moment.
 *
 * A lease ends when its piece can be had from a peer, when its holder fails or goes, or when another
 * client takes it over because nothing is heard of the holder any more.
 */
export class Leases<Holder> {
  readonly #leases = new Map<number, Lease<Holder>>();

  /**
   * When the lease on a piece ends at the latest, ms.
   *
   * @param deadlineMs when a fetch that began at `sinceMs` counts as lost
   */
  endsMs(piece: number, deadlineMs: (sinceMs: number) => number): number {
    const lease = this.#leases.get(piece);
    if (!lease) return Number.NEGATIVE_INFINITY;
    return Math.min(lease.sinceMs + LONGEST_LEASE_MS, deadlineMs(lease.sinceMs));
  }

  holder(piece: number): Holder | undefined {
    return this.#leases.get(piece)?.holder;
  }

  take(piece: number, holder: Holder, nowMs: number): void {
    this.#leases.set(piece, { holder, sinceMs: nowMs });
  }

  /** The piece has arrived at its holder, who will say when it is on disk. */
  arrived(piece: number, holder: Holder, nowMs: number): void {
    const lease = this.#leases.get(piece);
    if (lease?.holder === holder) lease.arrivedMs ??= nowMs;
  }

  /** Whether the piece must be on its holder's disk, said or not. */
  isWritten(piece: number, nowMs: number): boolean {
    const { arrivedMs = Number.POSITIVE_INFINITY } = this.#leases.get(piece) ?? {};
    return nowMs - arrivedMs >= WRITTEN_MS;
  }

  /** The piece can be had elsewhere now. */
  end(piece: number): void {
    this.#leases.delete(piece);
  }

  /** `holder` no longer fetches the piece; somebody else's lease on it stays. */
  release(piece: number, holder: Holder): void {
    if (this.#leases.get(piece)?.holder === holder) this.#leases.delete(piece);
  }

  /** `holder` fetches nothing any more. */
  releaseAll(holder: Holder): void {
    for (const [piece, lease] of this.#leases) {
      if (lease.holder === holder) this.#leases.delete(piece);
    }
  }
}
