/** Bytes of a sha256. */
const DIGEST_BYTES = 32;
/** A piece that was known to be right so long ago is hashed again before it is handed out, ms. */
export const RECHECK_MS = 60_000;

/**
 * What the pieces of a file on disk hash to, and when each was last known to be right: a disk may turn a bit
 * without anybody writing. A piece that is handed out all the time is hashed once a minute. Pure; 40 bytes a piece.
 */
export class PieceChecks {
  #digests = new Uint8Array(0);
  /** When each was last right, ms; -Infinity: not in this run. NaN where its digest is not known. */
  #rightMs = new Float64Array(0);

  /** A piece has been written, or found right; without its digest that is still to be learnt. */
  note(piece: number, digest: Uint8Array | undefined, nowMs: number): void {
    this.#makeRoom(piece);
    if (digest) this.#digests.set(digest.subarray(0, DIGEST_BYTES), piece * DIGEST_BYTES);
    this.#rightMs[piece] = digest ? nowMs : Number.NaN;
  }

  /** All pieces whose digests are known have been found right. */
  allRight(nowMs: number): void {
    for (const [piece, rightMs] of this.#rightMs.entries())
      if (!Number.isNaN(rightMs)) this.#rightMs[piece] = nowMs;
  }

  /** Somebody may have changed the file. */
  doubtAll(): void {
    this.allRight(Number.NEGATIVE_INFINITY);
  }

  knows(piece: number): boolean {
    return piece < this.#rightMs.length && !Number.isNaN(this.#rightMs[piece]!);
  }

  /** What a piece hashes to, where that is known. */
  digestOf(piece: number): Uint8Array | undefined {
    if (!this.knows(piece)) return undefined;
    const from = piece * DIGEST_BYTES;
    return this.#digests.subarray(from, from + DIGEST_BYTES);
  }

  /** Whether a piece must be hashed before it is handed out. */
  isDue(piece: number, nowMs: number): boolean {
    return !this.knows(piece) || nowMs - this.#rightMs[piece]! > RECHECK_MS;
  }

  /**
   * A piece on disk hashes to this; where its digest is not known it is from now on.
   *
   * @returns whether that is right
   */
  judge(piece: number, digest: Uint8Array, nowMs: number): boolean {
    if (!this.knows(piece)) {
      this.note(piece, digest, nowMs);
      return true;
    }
    if (Buffer.compare(this.digestOf(piece)!, digest) !== 0) return false;
    this.#rightMs[piece] = nowMs;
    return true;
  }

  /** The digests of some pieces for an index, in base64; `undefined` where one is not known. */
  toBase64(pieces: readonly number[]): string | undefined {
    if (pieces.length === 0 || !pieces.every((piece) => this.knows(piece))) return undefined;
    const digests = Buffer.alloc(pieces.length * DIGEST_BYTES);
    for (const [index, piece] of pieces.entries())
      digests.set(this.digestOf(piece)!, index * DIGEST_BYTES);
    return digests.toString("base64");
  }

  /** Reads what {@link toBase64} wrote; what fits not is not believed. Nothing has been found right yet. */
  static fromBase64(pieces: readonly number[], text: string | undefined): PieceChecks {
    const checks = new PieceChecks();
    const digests = Buffer.from(text ?? "", "base64");
    if (digests.length !== pieces.length * DIGEST_BYTES) return checks;
    for (const [index, piece] of pieces.entries()) {
      const from = index * DIGEST_BYTES;
      checks.note(piece, digests.subarray(from, from + DIGEST_BYTES), Number.NEGATIVE_INFINITY);
    }
    return checks;
  }

  #makeRoom(piece: number): void {
    const before = this.#rightMs.length;
    if (piece < before) return;
    const size = Math.max(piece + 1, 2 * before, 16);
    const [digests, rightMs] = [this.#digests, this.#rightMs];
    this.#digests = new Uint8Array(size * DIGEST_BYTES);
    this.#digests.set(digests);
    this.#rightMs = new Float64Array(size).fill(Number.NaN);
    this.#rightMs.set(rightMs);
  }
}
