import { Bitmap } from "../../protocol/swarm/bitmap.ts";

/** Cells of a map at most: of a file with more pieces several share one. */
export const MOST_CELLS = 256;

/**
 * Gathers who has which piece of a file, and draws it as text, a character each cell: `.` nobody has it,
 * `~` it is being fetched from outside, `1` to `9` so many ninths of the nodes have it, rounded up.
 */
export class PieceMap {
  readonly #pieces: number;
  /** Nodes that hold each piece, besides those that hold all. */
  readonly #copies: Uint32Array;
  readonly #coming: Bitmap;
  #nodes = 0;
  #whole = 0;

  /** @param pieces how many the file has */
  constructor(pieces: number) {
    this.#pieces = pieces;
    this.#copies = new Uint32Array(pieces);
    this.#coming = new Bitmap(pieces);
  }

  /** A node, which holds all pieces, or these. */
  node(held: "all" | Iterable<number>): void {
    this.#nodes += 1;
    if (held === "all") this.#whole += 1;
    else for (const piece of held) if (piece < this.#pieces) this.#copies[piece]! += 1;
  }

  /** A piece, or a part of it, is being fetched from outside. */
  coming(piece: number): void {
    if (piece >= 0 && piece < this.#pieces) this.#coming.add(piece);
  }

  toString(): string {
    const cells = Math.min(this.#pieces, MOST_CELLS);
    let text = "";
    for (let cell = 0; cell < cells; cell++) {
      const first = Math.floor((cell * this.#pieces) / cells);
      const after = Math.floor(((cell + 1) * this.#pieces) / cells);
      text += this.#cell(first, after);
    }
    return text;
  }

  #cell(first: number, after: number): string {
    let copies = this.#whole * (after - first);
    let coming = false;
    for (let piece = first; piece < after; piece++) {
      copies += this.#copies[piece]!;
      coming ||= this.#coming.has(piece);
    }
    if (copies === 0) return coming ? "~" : ".";
    return String(Math.min(9, Math.ceil((9 * copies) / ((after - first) * this.#nodes))));
  }
}
