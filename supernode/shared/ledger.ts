/** What a claim of a task has come to. */
export interface Claim {
  /** The supernode that has the task, `address:port`. */
  owner: string;
  /** The one that had it last, and is gone; empty: nobody had it. */
  before: string;
}

/**
 * What supernodes that share tasks know in common: which of them live, and whose each task is. It is no more than
 * that: who holds what they hear from the nodes.
 */
export interface Ledger {
  /**
   * Says that a supernode is there, for `ALIVE_MS` from now.
   *
   * @param run one life of the program: another one may go by the same address
   * @returns which had last said so of this address; empty: none, or too long ago, and others may have taken what
   *   was its own
   */
  renew(self: string, run: string): Promise<string>;
  /**
   * Takes each task for `self` unless a supernode that lives has it.
   *
   * @param gone a supernode that counts as dead, for it refuses connections
   */
  claim(keys: readonly string[], self: string, gone?: string): Promise<Claim[]>;
  /** Says that a supernode is there no more: what it had is free. */
  leave(self: string): Promise<void>;
  close(): void;
}

/**
 * A supernode that has not renewed for so long is dead, ms: long enough for one that is busy or waits for its
 * ledger, short enough for nodes to find the next one while their neighbours still have something for them.
 */
export const ALIVE_MS = 2500;
/** Milliseconds between renewals. */
export const RENEW_MS = 500;
/** A task that its owner has not claimed again for so long is free, ms. */
export const TASK_MS = 60_000;
