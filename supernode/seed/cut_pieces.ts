import { createHash, type Hash } from "node:crypto";
import { FRAME_BYTES, FRAME_HEAD_BYTES, frameHead, frameTail } from "../../protocol/piece_frame.ts";
import { contentSize, type PieceLayout, pieceContent } from "../../protocol/piece_range.ts";
import type { SumAlgorithm } from "../../protocol/v1/piece_sum.ts";
import { putBytes } from "../../runtime/put_bytes.ts";

/** A piece as it goes to disk and over the wire. */
export interface CutPiece {
  number: number;
  /** Frame included, where the task has frames. */
  bytes: Uint8Array;
  /** `<sha256 hex>:<bytes>`, over all of `bytes`. */
  sum: string;
}

/** What is here of the piece that comes next: of use to those who ask for bytes of the file itself. */
export interface PiecePart {
  /** Number of the piece. */
  number: number;
  /** Where in the piece, as it goes to disk, the bytes begin: behind the frame's head. */
  at: number;
  /** Valid until the piece they belong to is recycled. */
  bytes: Uint8Array;
  /** Bytes of the file up to the end of these; more may be here by the time they are kept. */
  end: number;
}

/** What pieces are known again by; what v1's clients want instead is hashed for them (`v1_sums.ts`). */
const PIECE_SUM: SumAlgorithm = "sha256";

/** The hashes of the whole file to compute on the way. */
export interface WholeHashes {
  md5: boolean;
  sha256: boolean;
}

/**
 * Cuts a stream of file bytes into pieces, framing and hashing each byte once as it passes. A piece's
 * bytes are valid until {@link PieceCutter.recycle} gives their memory back.
 */
export class PieceCutter {
  readonly #layout: PieceLayout;
  readonly #hashes: WholeHashes;
  readonly #headBytes: number;
  #md5: Hash | undefined;
  #sha256: Hash | undefined;
  #number = 0;
  #offset = 0;
  #buffer: Uint8Array;
  #filled = 0;
  #pieceHash: Hash | undefined;
  readonly #spare: Uint8Array[] = [];

  constructor(layout: PieceLayout, hashes: WholeHashes) {
    this.#layout = layout;
    this.#hashes = hashes;
    this.#headBytes = layout.framed ? FRAME_HEAD_BYTES : 0;
    this.#buffer = this.#allocate();
    this.#beginHashes();
  }

  /** File bytes taken so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Where the next bytes belong: who reads them to there spares a copy. */
  get rest(): Uint8Array {
    const size = contentSize(this.#layout);
    return this.#buffer.subarray(this.#headBytes + this.#filled, this.#headBytes + size);
  }

  /** Begins again at the first byte. */
  restart(): void {
    this.#number = 0;
    this.#offset = 0;
    this.#filled = 0;
    this.#pieceHash = undefined;
    this.#beginHashes();
  }

  /** Takes in a piece that is on disk already, and must be the next one. */
  adopt(content: Uint8Array): void {
    this.#hash(content);
    this.#offset += content.byteLength;
    this.#number += 1;
  }

  /** Takes in bytes; gives each piece that they complete. */
  *push(chunk: Uint8Array): Generator<CutPiece> {
    const size = contentSize(this.#layout);
    let rest = chunk;
    while (rest.byteLength > 0) {
      const part = rest.subarray(0, size - this.#filled);
      putBytes(part, this.#buffer, this.#headBytes + this.#filled);
      this.#hashOfPiece().update(part);
      this.#hash(part);
      this.#filled += part.byteLength;
      this.#offset += part.byteLength;
      rest = rest.subarray(part.byteLength);
      if (this.#filled === size) yield this.#cut();
    }
  }

  /** What there is of the next piece. */
  part(): PiecePart {
    const at = this.#headBytes;
    const bytes = this.#buffer.subarray(at, at + this.#filled);
    return { number: this.#number, at, bytes, end: this.#offset };
  }

  /** The file has ended: gives the last piece if there is any left; an empty file is one empty piece. */
  end(): CutPiece | undefined {
    return this.#filled > 0 || this.#number === 0 ? this.#cut() : undefined;
  }

  /** md5 of the whole file in hex, or empty where it was not asked for. */
  md5(): string {
    return this.#md5?.copy().digest("hex") ?? "";
  }

  /** The same for sha256. */
  sha256(): string {
    return this.#sha256?.copy().digest("hex") ?? "";
  }

  /** Gives back the memory of a piece that nobody needs any more. */
  recycle(piece: CutPiece): void {
    this.#spare.push(new Uint8Array(piece.bytes.buffer));
  }

  #beginHashes(): void {
    this.#md5 = this.#hashes.md5 ? createHash("md5") : undefined;
    this.#sha256 = this.#hashes.sha256 ? createHash("sha256") : undefined;
  }

  #hash(bytes: Uint8Array): void {
    this.#md5?.update(bytes);
    this.#sha256?.update(bytes);
  }

  /** The hash of the piece being filled, begun with the head that its length will probably give. */
  #hashOfPiece(): Hash {
    if (!this.#pieceHash) {
      this.#pieceHash = createHash(PIECE_SUM);
      if (this.#layout.framed) this.#pieceHash.update(this.#head(this.#expectedLength()));
    }
    return this.#pieceHash;
  }

  #expectedLength(): number {
    return pieceContent(this.#number, this.#layout).length;
  }

  #head(contentLength: number): Uint8Array {
    return frameHead(contentLength, this.#layout.pieceSize);
  }

  #cut(): CutPiece {
    const { framed } = this.#layout;
    const length = this.#filled;
    const bytes = this.#buffer.subarray(0, length + (framed ? FRAME_BYTES : 0));
    let hash = this.#hashOfPiece();
    if (framed) {
      bytes.set(this.#head(length), 0);
      bytes.set(frameTail(), FRAME_HEAD_BYTES + length);
      if (length === this.#expectedLength()) hash.update(frameTail());
      // The file ended where nobody knew it would: the head is another than was hashed.
      else hash = createHash(PIECE_SUM).update(bytes);
    }
    const piece = {
      number: this.#number,
      bytes,
      sum: `${hash.digest("hex")}:${bytes.byteLength}`,
    };
    this.#number += 1;
    this.#filled = 0;
    this.#pieceHash = undefined;
    this.#buffer = this.#allocate();
    return piece;
  }

  #allocate(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(this.#layout.pieceSize);
  }
}
