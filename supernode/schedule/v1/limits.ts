/** The numbers that bound a task's traffic (protocol §3, §6). */
export interface ScheduleLimits {
  /** Pieces one client fetches at once; also how many the seed serves at once. */
  peerDownLimit: number;
  /** Pieces one peer serves at once. */
  peerUpLimit: number;
  /** Failures as a server after which a peer is used no more. */
  eliminationLimit: number;
  /** Failures after which a client is sent to the supernode only. */
  failureCountLimit: number;
  /** Pieces that all clients together fetch from the source at once (CDN pattern `source`). */
  sourceFetchLimit: number;
}

/** v1's defaults (protocol §6); the last is ours. */
export const DEFAULT_LIMITS: ScheduleLimits = {
  peerDownLimit: 4,
  peerUpLimit: 5,
  eliminationLimit: 5,
  failureCountLimit: 5,
  sourceFetchLimit: 16,
};
