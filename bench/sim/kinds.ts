/** The kinds of events of the swarm's simulation. */
export const Kind = {
  /** A request (transfer) comes to the node that has the block. */
  requestArrives: 0,
  /** A node's uplink is done with a block. */
  uplinkFree: 1,
  /** A block (transfer) that crossed a thin line comes to the receiver's downlink. */
  reachesDownlink: 2,
  /** A block (transfer) is at the receiver. */
  delivered: 3,
  /** A participant tells its neighbours what it has got. */
  tell: 4,
  /** A participant's near (even) or far (odd) neighbours hear of the first so many blocks it has got. */
  told: 5,
  /** A participant looks after its neighbours. */
  lookAfter: 6,
  /** Anything that is rare: the number of a function. */
  call: 7,
} as const;
