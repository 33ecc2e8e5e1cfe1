import type { CdnSource } from "../../../protocol/v1/register.ts";
import { HandOut } from "./hand_out.ts";
import { Holders } from "./holders.ts";
import { Leases } from "./leases.ts";
import type { ScheduleLimits } from "./limits.ts";
import { SeedProgress } from "./seed_progress.ts";
import { type Member, type Origin, Transfers } from "./transfers.ts";

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
  readonly #members = new Map<string, Member>();
  readonly #holders = new Holders();
  readonly #transfers: Transfers;
  readonly #leases = new Leases<Member>();
  readonly #seed = new SeedProgress();
  readonly #handOut: HandOut;
  readonly #isEliminated = (member: Member) =>
    member.failuresAsServer >= this.#limits.eliminationLimit;
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
    this.#transfers = new Transfers(
      (member) => member.serves && member.up < limits.peerUpLimit && !this.#isEliminated(member),
    );
    this.#handOut = new HandOut({
      pattern,
      limits,
      seed: this.#seed,
      holders: this.#holders,
      transfers: this.#transfers,
      leases: this.#leases,
      isEliminated: this.#isEliminated,
      random,
    });
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
    this.#seed.started();
  }

  /** A piece of the supernode's own copy can be served. */
  seedPieceReady(piece: number): void {
    this.#seed.pieceReady(piece);
    this.#leases.end(piece);
  }

  /** The supernode's own copy is complete. */
  seedComplete(pieceTotal: number): void {
    this.#seed.completed();
    this.#pieceTotal = pieceTotal;
  }

  /** The supernode's own copy cannot be had, or is there no more. */
  seedFailed(): void {
    this.#seed.failed();
  }

  /**
   * Keeps clients off the source, or lets them at it again: while our own swarm brings the same file,
   * its members will have it soon (CDN pattern `source`).
   */
  holdSource(held: boolean): void {
    this.#handOut.sourceHeld = held;
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
      if (counts(member.cid) && !this.#isEliminated(member)) return { cid: member.cid };
    }
    const holder = this.#leases.holder(piece);
    if (!holder || !counts(holder.cid)) return undefined;
    return nowMs < this.#handOut.leaseEndsMs(piece, holder, nowMs) ? "coming" : undefined;
  }

  /** A client asks what to fetch next. */
  pull(cid: string, nowMs: number): PullDecision {
    const client = this.#members.get(cid);
    if (!client) return { kind: "error", reason: "unknown client" };
    client.lastSeenMs = nowMs;
    this.#transfers.sweep(nowMs);
    if (this.#hasAll(client)) return { kind: "finished" };
    if (this.#pattern === "supernode" && this.#seed.hasFailed)
      return { kind: "error", reason: "seed failed" };
    if (client.failuresAtTop > this.#limits.failureCountLimit)
      return { kind: "error", reason: "source fails this client" };

    if (client.running.size >= this.#limits.peerDownLimit) return { kind: "wait" };
    const handed = this.#handOut.fill(client, this.#pieceTotal, nowMs);
    if (handed.length === 0) return { kind: "wait" };
    const pieces = handed.map(({ piece, server }) => ({ piece, server: publicServer(server) }));
    return { kind: "pieces", pieces };
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
    return this.#pattern === "source" || this.#seed.isComplete;
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
