import type { CdnSource } from "../../protocol/v1/register.ts";
import { Holders } from "./holders.ts";
import { Leases } from "./leases.ts";
import { type Candidate, orderPieces } from "./order_pieces.ts";
import { type Member, type Origin, Transfers } from "./transfers.ts";

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

/** Who a client is sent to: the supernode's copy, the source, or another client. */
export type Server = { kind: "seed" } | { kind: "source" } | { kind: "peer"; cid: string };

export interface AssignedPiece {
  piece: number;
  server: Server;
}

export type PullDecision =
  | { kind: "pieces"; pieces: AssignedPiece[] }
  | { kind: "wait" }
  | { kind: "finished" }
  | { kind: "error"; reason: "seed failed" | "source fails this client" | "unknown client" };

/**
 * Decides for one task which client fetches which piece from whom (protocol §3). Clock and randomness
 * come from outside: the same calls give the same answers.
 *
 * In CDN pattern `source` a piece is fetched from the source by one client at a time; the others get
 * it from that one. That is what keeps the source's egress at about one copy when all nodes start at
 * the same moment.
 */
export class TaskSchedule {
  readonly #pattern: CdnSource;
  readonly #limits: ScheduleLimits;
  readonly #random: () => number;
  readonly #members = new Map<string, Member>();
  readonly #holders = new Holders();
  readonly #transfers: Transfers;
  readonly #leases = new Leases<Member>();
  readonly #seedHas = new Set<number>();
  /** One more than the highest piece the seed has had. */
  #seedEnd = 0;
  readonly #eliminated = (member: Member) =>
    member.failuresAsServer >= this.#limits.eliminationLimit;
  #sourceHeld = false;
  #seedState: "absent" | "fetching" | "complete" | "failed" = "absent";
  #pieceTotal: number | undefined;

  /**
   * @param pattern where pieces come from at first
   * @param pieceTotal pieces of the file; `undefined` until {@link TaskSchedule.seedComplete}
   * @param random uniform in [0, 1)
   */
  constructor(
    pattern: CdnSource,
    pieceTotal: number | undefined,
    limits: ScheduleLimits,
    random: () => number,
  ) {
    this.#pattern = pattern;
    this.#pieceTotal = pieceTotal;
    this.#limits = limits;
    this.#random = random;
    this.#transfers = new Transfers(
      (member) => member.serves && member.up < limits.peerUpLimit && !this.#eliminated(member),
    );
  }

  /** Whether any client is fetching something. */
  get busy(): boolean {
    return this.#transfers.size > 0;
  }

  /** What a client holds, and what it fetches from the supernode's copy or the source now. */
  holdings(cid: string): { has: Iterable<number>; fetches: number[] } | undefined {
    const member = this.#members.get(cid);
    if (!member) return undefined;
    const fetches = [...member.running.values()].filter(({ server }) => typeof server === "string");
    return { has: member.has, fetches: fetches.map(({ piece }) => piece) };
  }

  /** Where a client was sent for a piece that it fetches now; `undefined` where it was not sent. */
  fetchesFrom(cid: string, piece: number): Server["kind"] | undefined {
    const server = this.#members.get(cid)?.running.get(piece)?.server;
    return server === undefined || typeof server === "string" ? server : "peer";
  }

  /**
   * A client registered. One that registers again (it lost its supernode, say) is asked anew for each
   * piece and reports those it has at once; meanwhile it goes on serving them.
   *
   * @param serves whether others may be sent to it
   */
  join(cid: string, serves: boolean, nowMs: number): void {
    let member = this.#members.get(cid);
    if (member) {
      this.#dropAll(member);
      member.has.clear();
    } else {
      member = {
        cid,
        serves,
        has: new Set(),
        running: new Map(),
        up: 0,
        failuresAsServer: 0,
        failures: 0,
        failuresAtTop: 0,
        slow: false,
        avoids: new Set(),
        lastSeenMs: nowMs,
        lastSuccessMs: nowMs,
      };
      this.#members.set(cid, member);
    }
    member.lastSeenMs = nowMs;
    member.failuresAtTop = 0;
    this.#setServes(member, serves);
  }

  /** A client no longer serves this task; it may still ask for pieces. */
  down(cid: string): void {
    const member = this.#members.get(cid);
    if (!member) return;
    this.#dropAll(member);
    this.#setServes(member, false);
  }

  /** A client is gone for good. */
  leave(cid: string): void {
    const member = this.#members.get(cid);
    if (!member) return;
    this.down(cid);
    this.#members.delete(cid);
    for (const other of this.#members.values()) other.avoids.delete(member);
  }

  /** The supernode has begun to fetch its own copy, or to look through the one on disk. */
  seedStarted(): void {
    this.#seedState = "fetching";
    this.#seedHas.clear();
  }

  /** A piece of the supernode's own copy can be served. */
  seedPieceReady(piece: number): void {
    this.#seedHas.add(piece);
    this.#seedEnd = Math.max(this.#seedEnd, piece + 1);
    this.#leases.end(piece);
  }

  /** The supernode's own copy is complete. */
  seedComplete(pieceTotal: number): void {
    this.#seedState = "complete";
    this.#pieceTotal = pieceTotal;
  }

  /** The supernode's own copy cannot be had, or is there no more. */
  seedFailed(): void {
    this.#seedState = "failed";
    this.#seedHas.clear();
  }

  /**
   * Keeps clients off the source, or lets them at it again: while our own swarm brings the same file,
   * its members will have it soon (CDN pattern `source`).
   */
  holdSource(held: boolean): void {
    this.#sourceHeld = held;
  }

  /**
   * Where a piece is that others need not fetch from the source: who serves it, or `coming` while somebody
   * fetches it from there.
   *
   * @param counts whether to look at a client
   */
  whereIs(
    piece: number,
    counts: (cid: string) => boolean,
    nowMs: number,
  ): { cid: string } | "coming" | undefined {
    for (const member of this.#holders.of(piece)) {
      if (counts(member.cid) && !this.#eliminated(member)) return { cid: member.cid };
    }
    const holder = this.#leases.holder(piece);
    if (!holder || !counts(holder.cid)) return undefined;
    return nowMs < this.#leaseEndsMs(piece, holder, nowMs) ? "coming" : undefined;
  }

  /** A client asks what to fetch next. */
  pull(cid: string, nowMs: number): PullDecision {
    const client = this.#members.get(cid);
    if (!client) return { kind: "error", reason: "unknown client" };
    client.lastSeenMs = nowMs;
    this.#transfers.sweep(nowMs);
    if (this.#hasAll(client)) return { kind: "finished" };
    if (this.#pattern === "supernode" && this.#seedState === "failed")
      return { kind: "error", reason: "seed failed" };
    if (client.failuresAtTop > this.#limits.failureCountLimit)
      return { kind: "error", reason: "source fails this client" };

    const limit = this.#limits.peerDownLimit;
    if (client.running.size >= limit) return { kind: "wait" };
    const wanted = this.#order(client);
    const pieces: AssignedPiece[] = [];
    // At first no more than half of its slots go to the source, so that what others have brought
    // home spreads while the source is still sending; then all of them.
    this.#hand(client, wanted, { fromSource: Math.ceil(limit / 2) }, nowMs, pieces);
    this.#hand(client, wanted, { fromSource: limit }, nowMs, pieces);
    // Last of all, what somebody else leased and is not heard of.
    if (pieces.length === 0)
      this.#hand(client, wanted, { fromSource: limit, takeOver: true }, nowMs, pieces);
    return pieces.length > 0 ? { kind: "pieces", pieces } : { kind: "wait" };
  }

  /**
   * A client holds a piece. It is told twice of each: when it has arrived, and when it is on disk and
   * can be served.
   *
   * @returns whether this was news
   */
  succeeded(cid: string, piece: number, onDisk: boolean, nowMs: number): boolean {
    const client = this.#members.get(cid);
    if (!client || !this.#exists(piece)) return false;
    const transfer = client.running.get(piece);
    if (transfer) {
      if (transfer.server === "source") client.slow = false;
      this.#transfers.arrived(transfer, nowMs);
    }
    client.lastSeenMs = nowMs;
    client.lastSuccessMs = nowMs;
    client.failuresAtTop = 0;
    const news = !client.has.has(piece);
    client.has.add(piece);
    if (!client.serves) this.#leases.release(piece, client);
    else if (onDisk) {
      this.#holders.add(piece, client);
      this.#leases.end(piece);
    } else this.#leases.arrived(piece, client, nowMs);
    return news;
  }

  /**
   * A client could not get a piece, or got a bad one. v1 clients say so again each time they are told
   * to wait, so what is not about a transfer under way counts no more.
   *
   * @param serverCid whom it was sent to
   */
  failed(cid: string, piece: number, serverCid: string, nowMs: number): void {
    const client = this.#members.get(cid);
    const transfer = client?.running.get(piece);
    if (!client || !transfer) return;
    const { server } = transfer;
    const named = this.#members.get(serverCid);
    if (named ? named !== server : typeof server !== "string" && serverCid !== "") return;
    client.lastSeenMs = nowMs;
    client.failures += 1;
    this.takeBack(cid, piece);
    if (typeof server === "string") {
      client.failuresAtTop += 1;
      return;
    }
    client.avoids.add(server);
    server.failuresAsServer += 1;
    this.#transfers.updateFree(server);
  }

  /** A client is not to fetch, or fetches no more, what it was sent for; nobody is to blame. */
  takeBack(cid: string, piece: number): void {
    const client = this.#members.get(cid);
    const transfer = client?.running.get(piece);
    if (!client || !transfer) return;
    this.#transfers.end(transfer);
    this.#leases.release(piece, client);
  }

  /** A peer turned out not to have a piece, or to have a bad one. */
  pieceLost(serverCid: string, piece: number): void {
    const server = this.#members.get(serverCid);
    if (server) this.#holders.remove(piece, server);
  }

  #exists(piece: number): boolean {
    return piece >= 0 && (this.#pieceTotal === undefined || piece < this.#pieceTotal);
  }

  #hasAll(client: Member): boolean {
    if (this.#pieceTotal === undefined || client.has.size < this.#pieceTotal) return false;
    return this.#pattern === "source" || this.#seedState === "complete";
  }

  /** What a client lacks, best first. Pieces under way count as held: they soon will be. */
  #order(client: Member): number[] {
    const candidates: Candidate[] = [];
    for (let piece = 0; piece < (this.#pieceTotal ?? this.#seedEnd); piece++) {
      if (client.has.has(piece) || client.running.has(piece)) continue;
      const holders = this.#holders.count(piece) + (this.#seedHas.has(piece) ? 1 : 0);
      candidates.push({ piece, holders: holders + this.#transfers.underWay(piece) });
    }
    return orderPieces(candidates, client.running.keys(), this.#random);
  }

  /** Fills a client's slots from `wanted` as far as its servers allow. */
  #hand(
    client: Member,
    wanted: readonly number[],
    allowed: { fromSource: number; takeOver?: boolean },
    nowMs: number,
    handed: AssignedPiece[],
  ): void {
    const sourceLimit = client.slow ? 1 : allowed.fromSource;
    let fromSource = 0;
    for (const { server } of client.running.values()) if (server === "source") fromSource += 1;
    for (const piece of wanted) {
      if (client.running.size >= this.#limits.peerDownLimit) return;
      if (client.running.has(piece)) continue;
      let server = this.#chooseCopy(client, piece);
      if (server === "none" && fromSource < sourceLimit) {
        if (!this.#lease(client, piece, allowed.takeOver ?? false, nowMs)) continue;
        server = "source";
        fromSource += 1;
      }
      if (server === "none" || server === "busy") continue;
      this.#transfers.begin(client, piece, server, nowMs);
      handed.push({ piece, server: publicServer(server) });
    }
  }

  /** Who has a copy and a slot for this client: the least loaded peer, else the seed. */
  #chooseCopy(client: Member, piece: number): Origin | "busy" | "none" {
    const mayUsePeers = client.failures <= this.#limits.failureCountLimit;
    const { free } = this.#transfers;
    const peer = mayUsePeers && this.#holders.leastLoaded(piece, client, free, this.#random);
    if (peer) return peer;
    if (this.#seedHas.has(piece))
      return this.#transfers.used("seed") < this.#limits.peerDownLimit ? "seed" : "busy";
    if (mayUsePeers && this.#holders.anyUsable(piece, client, this.#eliminated)) return "busy";
    return "none";
  }

  /** Takes the lease on a piece for a client, if the source may be asked for it. */
  #lease(client: Member, piece: number, takeOver: boolean, nowMs: number): boolean {
    if (this.#pattern !== "source" || this.#seedState === "fetching" || this.#sourceHeld)
      return false;
    if (this.#transfers.used("source") >= this.#limits.sourceFetchLimit) return false;
    const holder = this.#leases.holder(piece);
    if (holder && holder !== client) {
      if (!takeOver) return false;
      // Of what it had before it came here a v1 client says only that it has arrived. The next one to ask is sent to it.
      if (this.#leases.isWritten(piece, nowMs)) {
        this.#holders.add(piece, holder);
        this.#leases.end(piece);
        return false;
      }
      if (nowMs < this.#leaseEndsMs(piece, holder, nowMs)) return false;
      holder.slow = true;
    }
    this.#leases.take(piece, client, nowMs);
    return true;
  }

  #leaseEndsMs(piece: number, holder: Member, nowMs: number): number {
    return this.#leases.endsMs(piece, (sinceMs) =>
      this.#transfers.deadlineMs(holder, "source", sinceMs, nowMs),
    );
  }

  /** Whatever the client was fetching, it no longer is. */
  #dropAll(client: Member): void {
    for (const transfer of [...client.running.values()]) this.#transfers.end(transfer);
    this.#leases.releaseAll(client);
  }

  #setServes(member: Member, serves: boolean): void {
    member.serves = serves;
    if (!serves) this.#holders.removeAll(member);
    this.#transfers.updateFree(member);
  }
}

function publicServer(server: Origin): Server {
  if (server === "seed" || server === "source") return { kind: server };
  return { kind: "peer", cid: server.cid };
}
