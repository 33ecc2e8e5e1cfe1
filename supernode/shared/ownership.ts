import { randomBytes } from "node:crypto";
import { getLogger } from "../../runtime/logger.ts";
import { ALIVE_MS, type Ledger, RENEW_MS, TASK_MS } from "./ledger.ts";

export interface OwnershipOptions {
  ledger: Ledger;
  /** This supernode, `address:port` as the others reach it; known once it listens. */
  self: () => string;
  /** The tasks that are known here. */
  keys(): Iterable<string>;
  /** A task that is known here is another supernode's, which can be reached; said each time that all are claimed. */
  lost(key: string, owner: string): void;
  /** Whether another supernode answers us. */
  answers(owner: string): Promise<boolean>;
  /** A clock that never goes back, ms. */
  now: () => number;
}

/** How the sharing of tasks with other supernodes is. */
export interface Sharing {
  /** `alone`: the ledger does not answer; `left`: this supernode is to be stopped. */
  state: "shared" | "alone" | "left";
  /** Why it is alone. */
  reason: string;
  /** Our own address, where another supernode goes by it too: they take each other's tasks for their own. */
  namesake?: string;
}

/** Milliseconds between claims of all that is ours: well before they run out. */
const CLAIM_ALL_MS = TASK_MS / 3;
/** Renewals that failed, one after the other, after which the ledger counts as gone and not us as late. */
const ENOUGH_FAILURES = 3;
/** Claims sent together. */
const CLAIMS_AT_ONCE = 500;
/** One that goes by our address has not been heard of for so long: it is gone, ms. */
const NAMESAKE_MS = 2 * ALIVE_MS;
/** So long after a task has been taken over it is remembered that another had begun it, ms. */
const TAKEN_OVER_MS = 30_000;

const log = getLogger("supernode");

/** Why no tasks are shared, for those who look after it; `undefined` where they are, or are not to be. */
export function whyAlone(sharing: Sharing | undefined): string | undefined {
  if (sharing?.state === "left") return undefined;
  if (sharing?.namesake) return namesakeClash(sharing.namesake);
  if (sharing?.state !== "alone") return undefined;
  return `the shared state does not answer (${sharing.reason})`;
}

function namesakeClash(self: string): string {
  return `another supernode goes by ${self}, too, in the shared state: give each an address of its own (base.advertiseIP, base.listenPort)`;
}

/**
 * Which tasks are this supernode's, of several that share a ledger. Where the ledger does not answer every task
 * is: two may then have the same one, and at worst its file is fetched twice. When it is back whoever
 * claims first has the task, and the others let theirs go.
 */
export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #takenOver = new Map<string, number>();
  readonly #run = randomBytes(8).toString("hex");
  #state: Sharing["state"] = "shared";
  #reason = "";
  /** All reasons since we are alone, which are logged. */
  readonly #reasons = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Whether the ledger has our word that we are there: an earlier life of ours says nothing more. */
  #isThere = false;
  #namesakeMs = Number.NEGATIVE_INFINITY;
  #renewedMs: number;
  #claimedMs: number;
  /** When all that is ours was ours for certain. */
  #sureMs: number;
  #failures = 0;

  constructor(options: OwnershipOptions) {
    this.#options = options;
    this.#renewedMs = this.#claimedMs = this.#sureMs = options.now();
  }

  get sharing(): Sharing {
    const sharing = { state: this.#state, reason: this.#reason };
    const isDouble = this.#options.now() - this.#namesakeMs < NAMESAKE_MS;
    return isDouble ? { ...sharing, namesake: this.#options.self() } : sharing;
  }

  /**
   * Whether what is ours is so still, as far as anybody can know. After we were frozen for a while others may have
   * taken it: until that has been asked nothing should be begun that costs much when it is done twice.
   */
  get isSure(): boolean {
    const silentMs = this.#options.now() - this.#sureMs;
    return silentMs <= ALIVE_MS || this.#failures >= ENOUGH_FAILURES;
  }

  /** Says that we are there, from now on; resolves when that has been tried for the first time. */
  async start(): Promise<void> {
    await this.#renew();
  }

  /** Takes no more tasks, and frees those we have, or comes back. */
  async leave(leaving: boolean): Promise<void> {
    if (leaving) {
      this.#state = "left";
      await this.#options.ledger.leave(this.#options.self()).catch(() => {});
    } else if (this.#state === "left") {
      this.#state = "shared";
      await this.#renew();
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.leave(true);
    this.#options.ledger.close();
  }

  /**
   * Whose a task is; it becomes ours where it is nobody's.
   *
   * @param gone a supernode that refuses connections: what is still its own is free
   * @returns the other supernode, `address:port`; `undefined`: it is ours
   */
  async ownerOf(key: string, gone?: string): Promise<string | undefined> {
    const { ledger } = this.#options;
    if (this.#state !== "shared") return undefined;
    try {
      const self = this.#options.self();
      const [claim] = await ledger.claim([key], self, gone);
      if (!claim || claim.owner !== self) return claim?.owner;
      if (claim.before) this.#tookOver(key, claim.before);
    } catch (error) {
      this.#goAlone(error as Error);
    }
    return undefined;
  }

  /** Whether a task was another supernode's until a moment ago: nodes hold parts of its file then. */
  begunElsewhere(key: string): boolean {
    const atMs = this.#takenOver.get(key);
    return atMs !== undefined && this.#options.now() - atMs < TAKEN_OVER_MS;
  }

  #tookOver(key: string, before: string): void {
    log.info("task {key} is ours now: supernode {before}, which had it, is gone", { key, before });
    const nowMs = this.#options.now();
    for (const [old, atMs] of this.#takenOver)
      if (nowMs - atMs > TAKEN_OVER_MS) this.#takenOver.delete(old);
    this.#takenOver.set(key, nowMs);
  }

  #goAlone(error: Error): void {
    if (this.#state === "left") return;
    const reason = error.message;
    this.#reason = reason;
    if (this.#state === "shared")
      log.warn("on its own from now on: the shared state does not answer ({reason})", { reason });
    // What is mended may show what else is wrong.
    else if (!this.#reasons.has(reason))
      log.warn("still on its own: the shared state does not answer ({reason})", { reason });
    this.#state = "alone";
    this.#reasons.add(reason);
  }

  /** Another one has said since we did that it is there, by the address that is ours. */
  #met(nowMs: number): void {
    const isNews = nowMs - this.#namesakeMs >= NAMESAKE_MS;
    this.#namesakeMs = nowMs;
    if (!isNews) return;
    log.error("{clash}", { clash: namesakeClash(this.#options.self()) });
  }

  async #renew(): Promise<void> {
    const { ledger, self, now } = this.#options;
    clearTimeout(this.#timer);
    try {
      if (this.#state !== "left") {
        const before = await ledger.renew(self(), this.#run);
        const nowMs = now();
        if (this.#isThere && before !== "" && before !== this.#run) this.#met(nowMs);
        this.#isThere = true;
        const wasAlone = this.#state === "alone";
        if (wasAlone) {
          this.#state = "shared";
          this.#reason = "";
          this.#reasons.clear();
          log.info("the shared state answers again: tasks are shared from now on");
        }
        const lapsed = wasAlone || before === "" || nowMs - this.#renewedMs > ALIVE_MS;
        this.#renewedMs = nowMs;
        if (lapsed || nowMs - this.#claimedMs > CLAIM_ALL_MS) await this.#claimAll(nowMs);
        this.#sureMs = now();
        this.#failures = 0;
      }
    } catch (error) {
      this.#failures += 1;
      this.#goAlone(error as Error);
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#renew(), RENEW_MS);
    this.#timer.unref();
  }

  /** Claims what is here again, and lets go of what has another owner by now. */
  async #claimAll(nowMs: number): Promise<void> {
    const { ledger, keys, lost, answers } = this.#options;
    const self = this.#options.self();
    this.#claimedMs = nowMs;
    const all = [...new Set(keys())];
    const reached = new Map<string, Promise<boolean>>();
    for (let from = 0; from < all.length; from += CLAIMS_AT_ONCE) {
      const some = all.slice(from, from + CLAIMS_AT_ONCE);
      const claims = await ledger.claim(some, self);
      for (const [index, { owner }] of claims.entries()) {
        if (owner === self) continue;
        if (!reached.has(owner)) reached.set(owner, answers(owner));
        // A node that is let go of must find the other one, or come back here.
        if (!(await reached.get(owner))) continue;
        lost(some[index]!, owner);
      }
    }
  }
}
