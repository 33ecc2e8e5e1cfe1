import type { Member } from "./transfers.ts";

/** Which members can serve which piece. */
export class Holders {
  readonly #byPiece: (Set<Member> | undefined)[] = [];

  count(piece: number): number {
    return this.#byPiece[piece]?.size ?? 0;
  }

  /** Who can serve a piece. */
  of(piece: number): Iterable<Member> {
    return this.#byPiece[piece] ?? [];
  }

  add(piece: number, member: Member): void {
    (this.#byPiece[piece] ??= new Set()).add(member);
  }

  remove(piece: number, member: Member): void {
    this.#byPiece[piece]?.delete(member);
  }

  removeAll(member: Member): void {
    for (const holders of this.#byPiece) holders?.delete(member);
  }

  /**
   * Of the `free` members that hold a piece the least loaded that `client` may use, ties at random.
   *
   * @param random uniform in [0, 1)
   */
  leastLoaded(
    piece: number,
    client: Member,
    free: ReadonlySet<Member>,
    random: () => number,
  ): Member | undefined {
    const holders = this.#byPiece[piece];
    if (!holders) return undefined;
    // Either may be large: in a big swarm nearly all are busy, or nearly all hold the piece.
    const [fewer, other] = holders.size < free.size ? [holders, free] : [free, holders];
    let best: Member | undefined;
    let ties = 0;
    for (const member of fewer) {
      if (member === client || !other.has(member) || client.avoids.has(member)) continue;
      if (best && member.up > best.up) continue;
      ties = best && member.up === best.up ? ties + 1 : 1;
      if (ties === 1 || random() * ties < 1) best = member;
    }
    return best;
  }

  /** Whether anybody holds a piece whom `client` may use, now or when it has a slot again. */
  anyUsable(piece: number, client: Member, eliminated: (member: Member) => boolean): boolean {
    for (const member of this.#byPiece[piece] ?? []) {
      if (member !== client && !client.avoids.has(member) && !eliminated(member)) return true;
    }
    return false;
  }
}
