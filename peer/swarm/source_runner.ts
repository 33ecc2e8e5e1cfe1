import type { BlockRun } from "../../protocol/swarm/blocks.ts";
import {
  type LeaseGrant,
  type LeaseProgress,
  MAX_FETCHING,
} from "../../protocol/swarm/messages.ts";
import { getLogger } from "../../runtime/logger.ts";
import { type FetchLeaseOptions, fetchLease } from "./fetch_lease.ts";
import { type HeldLease, isOfSource, type LeaseRequest, nameOf } from "./held_lease.ts";

export interface SourceRunnerOptions extends FetchLeaseOptions {
  /** Whether a block is here already. */
  holds(block: number): boolean;
  /** Whether a supernode has sealed what a block hashes to. */
  isSealed(block: number): boolean;
  /** A block will come from the source, or will not after all: neighbours need not, or must, be asked. */
  onReserve(block: number, reserved: boolean): void;
  /** A lease is done, or has failed: the supernode should hear of it at once. */
  onNews(): void;
}

/** Leases that a runner works on or has before it: the next one is there when one is done. */
const WANTED = 2;
/** Milliseconds without a byte of it after which the copy of a supernode that is gone is left. */
const SILENT_MS = 1000;

const log = getLogger("dfclient");

/**
 * Fetches from the source the blocks that the supernode has leased to this node, one run at a time; but
 * the next one is asked for while the last block of a run comes in, so that the line does not lie idle.
 */
export class SourceRunner {
  readonly #options: SourceRunnerOptions;
  readonly #leases = new Map<number, HeldLease>();
  /** Those that are done, as far as blocks of them may be unsealed: a supernode that is gone may not have heard. */
  #done: HeldLease[] = [];
  /** Requests under way; those of leases that were taken back may end a moment later. */
  readonly #running = new Set<LeaseRequest>();
  /** No more leases are asked for. */
  #unfit = false;

  constructor(options: SourceRunnerOptions) {
    this.#options = options;
  }

  get busy(): boolean {
    return this.#leases.size > 0;
  }

  /** The source does not do what this node needs of it. */
  get isUnfit(): boolean {
    return this.#unfit;
  }

  /** How many more leases it could work on. */
  get wants(): number {
    return this.#unfit ? 0 : Math.max(0, WANTED - this.#leases.size);
  }

  /**
   * The leases that are worked on, or before it, at the source, or that it would go on with there; and those that
   * are done, of which nothing is sealed yet.
   */
  get fetching(): BlockRun[] {
    const held = [...this.#leases.values()].filter((lease) => isOfSource(lease) && !lease.failed);
    return [...held, ...this.#unsealed()].slice(0, MAX_FETCHING).map(({ run }) => run);
  }

  /** Another supernode says which leases this node holds: of the same blocks it is the same one. */
  grantAfresh(granted: readonly LeaseGrant[]): void {
    const kept = new Map<number, HeldLease>();
    for (const lease of [...this.#leases.values(), ...this.#done]) {
      const { first, count } = lease.run;
      const same = granted.find((one) => !one.from && one.first === first && one.count === count);
      if (!same || !isOfSource(lease)) {
        this.#drop(lease);
        continue;
      }
      kept.set(same.id, lease);
      lease.from = undefined;
      if (lease.request) this.#leaveWhenSilent(lease, lease.request);
    }
    this.#leases.clear();
    this.#done = [];
    for (const [id, lease] of kept) {
      lease.id = id;
      this.#leases.set(id, lease);
    }
    this.grant(granted);
    // What came while the supernode changed has been told as held, and need not come again.
    if (this.finishHeld()) this.#options.onNews();
  }

  /**
   * Leases whose blocks have all come, from wherever, are done.
   *
   * @returns whether there are any
   */
  finishHeld(): boolean {
    const leases = [...this.#leases.values()].filter(({ run: { first, count } }) => {
      const blocks = Array.from({ length: count }, (_, index) => first + index);
      return blocks.every((block) => this.#options.holds(block));
    });
    for (const lease of leases) {
      lease.request?.abort.abort();
      lease.done = lease.run.count;
    }
    return leases.length > 0;
  }

  /** The supernode says which leases this node holds from now on, in the order in which to work on them. */
  grant(granted: readonly LeaseGrant[]): void {
    const known = new Map(granted.map(({ id, first }) => [id, first]));
    for (const [id, lease] of this.#leases) {
      // Another supernode may use the same number for something else.
      const isOther = known.has(id) && known.get(id) !== lease.run.first;
      if ((known.has(id) || lease.failed) && !isOther) continue;
      // Taken back, or told as done and so no longer listed.
      this.#drop(lease);
    }
    for (const { id, first, count, from } of granted) {
      const held = this.#leases.get(id);
      if (held) {
        if (count < held.run.count) this.#shorten(held, count);
        continue;
      }
      const run = { first, count };
      const nothing = { done: 0, partBytes: 0, failed: false, request: undefined };
      this.#leases.set(id, { id, from, run, ...nothing, digests: [] });
      for (let block = first; block < first + count; block++) this.#options.onReserve(block, true);
    }
    for (const { id } of granted) {
      const held = this.#leases.get(id)!;
      this.#leases.delete(id);
      this.#leases.set(id, held);
    }
    // A node that has the whole file may still be told of leases.
    if (this.#options.signal.aborted) this.finishHeld();
    else this.#work();
  }

  /** What to tell the supernode; a lease that is done or has failed is told once. */
  report(): LeaseProgress[] {
    this.#done = this.#unsealed();
    return [...this.#leases.values()].map((lease) => {
      const { id, done, partBytes, failed, run, digests } = lease;
      if (failed || done >= run.count) this.#leases.delete(id);
      if (!failed && done >= run.count) this.#done.push(lease);
      return { id, done, partBytes, failed, digests: [...digests] };
    });
  }

  /** The leases that are done, of which some block is not sealed yet. */
  #unsealed(): HeldLease[] {
    const { isSealed } = this.#options;
    return this.#done.filter(({ run: { first, count } }) => {
      for (let block = first; block < first + count; block++) if (!isSealed(block)) return true;
      return false;
    });
  }

  /** Gives up all leases. */
  stop(): void {
    for (const lease of [...this.#leases.values()]) this.#drop(lease);
  }

  /**
   * Leaves the copy of a supernode that is gone once no more of it comes, for a frozen one's never ends. What lies in
   * the system's buffers is read before that, and not fetched twice.
   */
  #leaveWhenSilent(lease: HeldLease, request: LeaseRequest): void {
    const reached = () => `${lease.done} ${lease.partBytes}`;
    let before = reached();
    const timer = setInterval(() => {
      const now = reached();
      if (now === before) request.leave.abort();
      before = now;
      if (request.leave.signal.aborted || !this.#running.has(request)) clearInterval(timer);
    }, SILENT_MS);
    timer.unref();
  }

  /** The rest of a lease goes to somebody else. */
  #shorten(lease: HeldLease, count: number): void {
    const { first, count: before } = lease.run;
    lease.run = { first, count: Math.max(count, lease.done) };
    this.#unreserve(first + lease.run.count, first + before);
  }

  #drop(lease: HeldLease): void {
    this.#leases.delete(lease.id);
    lease.request?.abort.abort();
    this.#unreserve(lease.run.first + lease.done, lease.run.first + lease.run.count);
  }

  /** The blocks from `first` up to but not including `end` must come from neighbours. */
  #unreserve(first: number, end: number): void {
    for (let block = first; block < end; block++) this.#options.onReserve(block, false);
  }

  #work(): void {
    const running = [...this.#running];
    if (running.length >= WANTED || running.some((request) => !request.lastBlockComes)) return;
    const lease = [...this.#leases.values()].find(
      ({ done, run, failed, request }) => !failed && !request && done < run.count,
    );
    if (!lease) return;
    const abort = new AbortController();
    const request = { abort, leave: new AbortController(), lastBlockComes: false };
    lease.request = request;
    this.#running.add(request);
    fetchLease(lease, request, this.#options, () => this.#work())
      .catch((error: Error) => {
        if (abort.signal.aborted || this.#options.signal.aborted) return;
        if (lease.done >= lease.run.count) return;
        log.info("{origin} did not give blocks {first} to {last}: {reason}", {
          origin: nameOf(lease.from),
          first: lease.run.first + lease.done,
          last: lease.run.first + lease.run.count - 1,
          reason: error.message,
        });
        lease.failed = true;
        // Where else leases may lead to is for the supernode to say.
        this.#unfit ||= lease.from === undefined;
        this.#unreserve(lease.run.first + lease.done, lease.run.first + lease.run.count);
      })
      .finally(() => {
        this.#running.delete(request);
        lease.request = undefined;
        if (this.#options.signal.aborted) return;
        this.#options.onNews();
        this.#work();
      });
  }
}
