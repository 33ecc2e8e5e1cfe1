/** What came out of a simulation. */
export interface Outcome {
  /** ms from a node's start to its last block, in order, for all that lived and are not slow. */
  healthyMs: readonly number[];
  /** ms from a node's start until it had half of a layer without a gap, in order, for each of their layers. */
  halfMs: readonly number[];
  /** The longest time for which a client got no more of a layer, ms, likewise. */
  silentMs: readonly number[];
  /** Living nodes that did not get everything. */
  incomplete: number;
  /** Bytes that left the registry, as a multiple of the image. */
  egress: number;
  /** Bytes that went from one rack to another, as a multiple of the image. */
  cross: number;
  /** Bytes that nodes sent for nothing, as a part of all they sent. */
  waste: number;
  supernode: {
    requests: { register: number; heartbeat: number };
    /** Requests a second, in the mean and in the busiest second. */
    perSecond: number;
    peakPerSecond: number;
    /** Part of the time for which its core is busy, until the last node is done. */
    busy: number;
  };
  /** ms until the last node was done. */
  lastMs: number;
  events: number;
}

/** The value below which a part of some values in order lies (the nearest rank). */
export function percentile(ordered: readonly number[], part: number): number {
  const rank = Math.ceil(part * ordered.length);
  return ordered[Math.max(0, Math.min(ordered.length, rank) - 1)] ?? Number.NaN;
}
