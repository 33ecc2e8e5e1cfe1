import type { CdnSource } from "../../../protocol/v1/register.ts";
import type { Holders } from "./holders.ts";
import type { Leases } from "./leases.ts";
import type { ScheduleLimits } from "./limits.ts";
import { type Candidate, orderPieces } from "./order_pieces.ts";
import type { SeedProgress } from "./seed_progress.ts";
import type { Member, Origin, Transfers } from "./transfers.ts";

/** What is known of one task when its pieces are handed out. */
export interface HandOutOptions {
  /** Where pieces come from at first. */
  readonly pattern: CdnSource;
  readonly limits: ScheduleLimits;
  readonly seed: SeedProgress;
  readonly holders: Holders;
  readonly transfers: Transfers;
  readonly leases: Leases<Member>;
  /** Whether a peer has failed others so often that nobody is sent to it. */
  readonly isEliminated: (member: Member) => boolean;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** A piece that a client was given, and whom it is to fetch it from. */
export interface HandedPiece {
  readonly piece: number;
  readonly server: Origin;
}

/** Gives clients pieces: which of those they lack, and from whom (protocol §3). */
export class HandOut {
  readonly #options: HandOutOptions;
  /** Whether clients are kept off the source. */
  sourceHeld = false;

  constructor(options: HandOutOptions) {
    this.#options = options;
  }

  /**
   * Fills a client's slots; the transfers have begun when this returns.
   *
   * @param pieceTotal pieces of the file; `undefined` while that is unknown
   */
  fill(client: Member, pieceTotal: number | undefined, nowMs: number): HandedPiece[] {
    const limit = this.#options.limits.peerDownLimit;
    const wanted = this.#order(client, pieceTotal);
    const pieces: HandedPiece[] = [];
    // At first no more than half of its slots go to the source, so that what others have brought
    // home spreads while the source is still sending; then all of them.
    this.#hand(client, wanted, { fromSource: Math.ceil(limit / 2) }, nowMs, pieces);
    this.#hand(client, wanted, { fromSource: limit }, nowMs, pieces);
    // Last of all, what somebody else leased and is not heard of.
    if (pieces.length === 0)
      this.#hand(client, wanted, { fromSource: limit, takeOver: true }, nowMs, pieces);
    return pieces;
  }

  /** When the lease of its holder on a piece ends, ms. */
  leaseEndsMs(piece: number, holder: Member, nowMs: number): number {
    const { leases, transfers } = this.#options;
    return leases.endsMs(piece, (sinceMs) =>
      transfers.deadlineMs(holder, "source", sinceMs, nowMs),
    );
  }

  /** What a client lacks, best first. Pieces under way count as held: they soon will be. */
  #order(client: Member, pieceTotal: number | undefined): number[] {
    const { seed, holders, transfers, random } = this.#options;
    const candidates: Candidate[] = [];
    for (let piece = 0; piece < (pieceTotal ?? seed.end); piece++) {
      if (client.has.has(piece) || client.running.has(piece)) continue;
      const held = holders.count(piece) + (seed.has(piece) ? 1 : 0);
      candidates.push({ piece, holders: held + transfers.underWay(piece) });
    }
    return orderPieces(candidates, client.running.keys(), random);
  }

  /** Fills a client's slots from `wanted` as far as its servers allow. */
  #hand(
    client: Member,
    wanted: readonly number[],
    allowed: { fromSource: number; takeOver?: boolean },
    nowMs: number,
    handed: HandedPiece[],
  ): void {
    const { limits, transfers } = this.#options;
    const sourceLimit = client.slow ? 1 : allowed.fromSource;
    let fromSource = 0;
    for (const { server } of client.running.values()) if (server === "source") fromSource += 1;
    for (const piece of wanted) {
      if (client.running.size >= limits.peerDownLimit) return;
      if (client.running.has(piece)) continue;
      let server = this.#chooseCopy(client, piece);
      if (server === "none" && fromSource < sourceLimit) {
        if (!this.#lease(client, piece, allowed.takeOver ?? false, nowMs)) continue;
        server = "source";
        fromSource += 1;
      }
      if (server === "none" || server === "busy") continue;
      transfers.begin(client, piece, server, nowMs);
      handed.push({ piece, server });
    }
  }

  /** Who has a copy and a slot for this client: the least loaded peer, else the seed. */
  #chooseCopy(client: Member, piece: number): Origin | "busy" | "none" {
    const { limits, seed, holders, transfers, isEliminated, random } = this.#options;
    const mayUsePeers = client.failures <= limits.failureCountLimit;
    const peer = mayUsePeers && holders.leastLoaded(piece, client, transfers.free, random);
    if (peer) return peer;
    if (seed.has(piece)) return transfers.used("seed") < limits.peerDownLimit ? "seed" : "busy";
    if (mayUsePeers && holders.anyUsable(piece, client, isEliminated)) return "busy";
    return "none";
  }

  /** Takes the lease on a piece for a client, if the source may be asked for it. */
  #lease(client: Member, piece: number, takeOver: boolean, nowMs: number): boolean {
    const { pattern, limits, seed, holders, transfers, leases } = this.#options;
    if (pattern !== "source" || seed.isFetching || this.sourceHeld) return false;
    if (transfers.used("source") >= limits.sourceFetchLimit) return false;
    const holder = leases.holder(piece);
    if (holder && holder !== client) {
      if (!takeOver) return false;
      // Of what it had before it came here a v1 client says only that it has arrived. The next one to ask is sent to it.
      if (leases.isWritten(piece, nowMs)) {
        holders.add(piece, holder);
        leases.end(piece);
        return false;
      }
      if (nowMs < this.leaseEndsMs(piece, holder, nowMs)) return false;
      holder.slow = true;
    }
    leases.take(piece, client, nowMs);
    return true;
  }
}
