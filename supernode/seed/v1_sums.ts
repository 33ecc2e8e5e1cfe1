import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { unframe } from "../../protocol/piece_frame.ts";
import { isMd5, sumOf } from "../../protocol/v1/piece_sum.ts";
import { type Task, taskLayout } from "../tasks/task.ts";
import type { SeedCache } from "./cache.ts";
import { readPiece } from "./read_piece.ts";

/** What is known of one copy. */
interface CopySums {
  /** `<md5 hex>:<bytes on the wire>` of those that were asked for, or are in `whole`. */
  readonly pieces: (Promise<string> | undefined)[];
  /** Of the whole file, as far as `hashed`. */
  readonly whole: Hash;
  /** Pieces that are in `whole`, from the first on. */
  hashed: number;
  hashing: boolean;
}

/** A piece of a copy on disk cannot be read, or is not what it was when it was written. */
export class SpoiltPieceError extends Error {
  override name = "SpoiltPieceError";
  readonly piece: number;
  constructor(piece: number, reason: string) {
    super(`piece ${piece} of the copy ${reason}`);
    this.piece = piece;
  }
}

/**
 * The md5s by which v1's clients check pieces and files. Our own do without, and md5 takes a processor three times as
 * long as sha256: so they are hashed for the first v1 client of a task, from the copy on disk.
 */
export class V1Sums {
  readonly #cache: SeedCache;
  /** By the list of the copy's pieces: one that is made anew has another. */
  readonly #copies = new WeakMap<readonly string[], CopySums>();

  constructor(cache: SeedCache) {
    this.#cache = cache;
  }

  /**
   * The md5 of a piece that the copy has, and its bytes on the wire: `<hex>:<bytes>`.
   *
   * @throws {SpoiltPieceError}
   */
  piece(task: Task, piece: number): Promise<string> {
    const sum = task.pieceSums[piece];
    if (sum !== undefined && isMd5(sum)) return Promise.resolve(sum);
    const { pieces } = this.#of(task);
    const known = pieces[piece];
    if (known) return known;
    const hashing = this.#hash(task, piece);
    pieces[piece] = hashing;
    // It may be readable the next time.
    hashing.catch(() => delete pieces[piece]);
    return hashing;
  }

  /**
   * Goes on hashing the whole file as far as the copy has come: `task.realMd5` is there when all of it is. v1's clients ask
   * for pieces all the time, and each asking takes it further.
   *
   * @throws {SpoiltPieceError}
   */
  async follow(task: Task): Promise<void> {
    const sums = this.#of(task);
    if (task.realMd5 !== "" || sums.hashing) return;
    sums.hashing = true;
    try {
      await this.#hashWhole(task, sums);
    } finally {
      sums.hashing = false;
    }
  }

  #of({ pieceSums }: Task): CopySums {
    let sums = this.#copies.get(pieceSums);
    if (!sums) {
      sums = { pieces: [], whole: createHash("md5"), hashed: 0, hashing: false };
      this.#copies.set(pieceSums, sums);
    }
    return sums;
  }

  async #hash(task: Task, piece: number): Promise<string> {
    return this.#reading(task, piece, async (file) =>
      sumOf(await wholePiece(file, task, piece), "md5"),
    );
  }

  async #hashWhole(task: Task, sums: CopySums): Promise<void> {
    const { pieceSums, pieceSize } = task;
    if (sums.hashed < pieceSums.length)
      await this.#reading(task, sums.hashed, async (file) => {
        for (; sums.hashed < pieceSums.length; sums.hashed++) {
          const bytes = await wholePiece(file, task, sums.hashed);
          sums.pieces[sums.hashed] ??= Promise.resolve(sumOf(bytes, "md5"));
          sums.whole.update(taskLayout(task).framed ? unframe(bytes, pieceSize) : bytes);
        }
      });
    const isWhole = task.cdnStatus === "SUCCESS" && sums.hashed === pieceSums.length;
    if (isWhole && task.pieceSums === pieceSums) task.realMd5 = sums.whole.copy().digest("hex");
  }

  async #reading<T>(task: Task, piece: number, use: (file: FileHandle) => Promise<T>): Promise<T> {
    const file = await this.#cache.open(task.id).catch((error: Error) => {
      throw new SpoiltPieceError(piece, `cannot be read: ${error.message}`);
    });
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  }
}

/** What is not as it was written must not get an md5 that makes it right. */
async function wholePiece(file: FileHandle, task: Task, piece: number): Promise<Uint8Array> {
  const { pieceSums, pieceSize } = task;
  const bytes = await readPiece(file, { piece, sum: pieceSums[piece] ?? "", pieceSize }).catch(
    (error: Error) => {
      throw new SpoiltPieceError(piece, `cannot be read: ${error.message}`);
    },
  );
  if (!bytes) throw new SpoiltPieceError(piece, "is not what was written");
  return bytes;
}
