import { Patience } from "./patience.ts";

/** A client as the scheduler knows it, and the server that it may be to others. */
export interface Member {
  readonly cid: string;
  serves: boolean;
  /** Pieces it need not be given any more. */
  readonly has: Set<number>;
  readonly running: Map<number, Transfer>;
  /** Pieces it serves at this moment. */
  up: number;
  failuresAsServer: number;
  failures: number;
  /** Failures on seed or source since its last success. */
  failuresAtTop: number;
  /** Lost a lease by silence: gets one at a time until it brings one home. */
  slow: boolean;
  readonly avoids: Set<Member>;
  lastSeenMs: number;
  lastSuccessMs: number;
}

export type Origin = Member | "seed" | "source";

/** A piece on its way to a client. */
export interface Transfer {
  readonly piece: number;
  readonly client: Member;
  readonly server: Origin;
  readonly sinceMs: number;
  /** Whether it still takes one of the server's slots. */
  holdsSlot: boolean;
}

/** A client that asks within this time is alive, ms: v1 clients ask at least every 1.6 s. */
const HEARD_OF_MS = 3000;
/** A transfer nothing is heard of is handed out anew after this, ms: the answer may have got lost. */
const ABANDONED_MS = 60_000;
/** How often at most to look for lost transfers, ms. */
const SWEEP_MS = 1000;

/** The pieces under way in one task, and the slots they take at their servers. */
export class Transfers {
  /** Servers with a slot left. */
  readonly free = new Set<Member>();
  readonly #mayServe: (member: Member) => boolean;
  readonly #active = new Set<Transfer>();
  /** By piece: how many clients are fetching it. */
  readonly #underWay: number[] = [];
  readonly #used = { seed: 0, source: 0 };
  readonly #fromPeers = new Patience();
  readonly #fromSource = new Patience();
  #sweptMs = Number.NEGATIVE_INFINITY;

  /** @param mayServe whether a member can take one more */
  constructor(mayServe: (member: Member) => boolean) {
    this.#mayServe = mayServe;
  }

  get size(): number {
    return this.#active.size;
  }

  /** How many clients are fetching a piece. */
  underWay(piece: number): number {
    return this.#underWay[piece] ?? 0;
  }

  /** Slots taken at the seed, or fetches from the source. */
  used(server: "seed" | "source"): number {
    return this.#used[server];
  }

  begin(client: Member, piece: number, server: Origin, nowMs: number): void {
    const transfer = { piece, client, server, sinceMs: nowMs, holdsSlot: true };
    client.running.set(piece, transfer);
    this.#active.add(transfer);
    this.#underWay[piece] = this.underWay(piece) + 1;
    this.#countSlot(server, 1);
  }

  /** A transfer ended well: what it took tells what others may take. */
  arrived(transfer: Transfer, nowMs: number): void {
    this.#patience(transfer.server).observe(nowMs - transfer.sinceMs);
    this.end(transfer);
  }

  end(transfer: Transfer): void {
    if (!this.#active.delete(transfer)) return;
    transfer.client.running.delete(transfer.piece);
    this.#underWay[transfer.piece]! -= 1;
    this.#freeSlot(transfer);
  }

  /** Looks again whether a member may serve. */
  updateFree(member: Member): void {
    if (this.#mayServe(member)) this.free.add(member);
    else this.free.delete(member);
  }

  /** When a fetch from `server` counts as lost, ms: its client's progress elsewhere is a sign of life. */
  deadlineMs(client: Member, server: Origin, sinceMs: number, nowMs: number): number {
    const heardOf = nowMs - client.lastSeenMs <= HEARD_OF_MS;
    return Math.max(sinceMs, client.lastSuccessMs) + this.#patience(server).limitMs(heardOf);
  }

  /**
   * Takes back the slots of transfers that are not heard of: a client that died holds none for ever.
   * The client itself is given such a piece again only much later, for it may still be at it.
   */
  sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < SWEEP_MS) return;
    this.#sweptMs = nowMs;
    for (const transfer of this.#active) {
      const { client, server, sinceMs } = transfer;
      if (nowMs >= this.deadlineMs(client, server, sinceMs, nowMs)) this.#freeSlot(transfer);
      if (nowMs >= Math.max(sinceMs, client.lastSuccessMs) + ABANDONED_MS) this.end(transfer);
    }
  }

  #freeSlot(transfer: Transfer): void {
    if (!transfer.holdsSlot) return;
    transfer.holdsSlot = false;
    this.#countSlot(transfer.server, -1);
  }

  #countSlot(server: Origin, change: number): void {
    if (server === "seed" || server === "source") this.#used[server] += change;
    else {
      server.up += change;
      this.updateFree(server);
    }
  }

  #patience(server: Origin): Patience {
    return server === "source" ? this.#fromSource : this.#fromPeers;
  }
}
