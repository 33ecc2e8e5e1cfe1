import { type FileHandle, open, readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { seedFilePath } from "../../protocol/names.ts";
import { parsePieceSum } from "../../protocol/v1/piece_sum.ts";
import { isMissing } from "../../runtime/config_file.ts";
import { freeBytes, makeDirectory, writeFileAtomically } from "../../runtime/files.ts";
import type { CutPiece, PiecePart } from "./cut_pieces.ts";

const headSchema = z.object({
  framed: z.boolean(),
  pieceSize: z.number().int().positive(),
  /** Bytes of the file, -1 where the source did not say. */
  length: z.number().int(),
  etag: z.string(),
  lastModified: z.string(),
});
/** What is kept of a copy besides its pieces. */
export type CopyHead = z.infer<typeof headSchema>;

const tailSchema = z.object({ length: z.number().int().nonnegative(), realMd5: z.string() });

/** A copy as its index on disk describes it. */
export interface SavedCopy extends CopyHead {
  /** `<hex>:<bytes>` of each piece on disk, from the first on: by sha256, by md5 in copies of old. */
  pieceSums: string[];
  /** Length of the whole file, and its md5 where that is known; of a copy that is complete. */
  complete?: z.infer<typeof tailSchema> | undefined;
}

/** A file of the cache, and when it was last in use. */
export interface CachedFile {
  taskId: string;
  /** Bytes on disk. */
  bytes: number;
  /** ms since the epoch. */
  lastAccessMs: number;
}

/**
 * The supernode's copies on disk: `download/<first 3>/<task id>` with the pieces end to end, piece *n*
 * at n · piece size, and beside it an index: a line of JSON about the copy, a line with the sum of
 * each piece in order, a line of JSON when it is complete. A crash loses at most a torn last line.
 */
export class SeedCache {
  /** The file port's root. */
  readonly root: string;
  /** The size of each copy, as far as it is known without a look at the disk. */
  readonly #sizes = new Map<string, CopySize>();
  #counting: Promise<void> | undefined;
  #counted = false;

  /** @param root the file port's root, `<homeDir>/repo` */
  constructor(root: string) {
    this.root = root;
  }

  path(taskId: string): string {
    return join(this.root, seedFilePath(taskId));
  }

  #indexPath(taskId: string): string {
    return `${this.path(taskId)}.index`;
  }

  /** What is known of a copy; `undefined` where there is none, or none that can be read. */
  async read(taskId: string): Promise<SavedCopy | undefined> {
    let text: string;
    try {
      text = await readFile(this.#indexPath(taskId), "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    // What follows the last line's end was torn off by a crash.
    const lines = text.split("\n").slice(0, -1);
    const head = headSchema.safeParse(parseJson(lines[0]));
    if (!head.success) return undefined;
    const copy: SavedCopy = { ...head.data, pieceSums: [] };
    for (const line of lines.slice(1)) {
      if (parsePieceSum(line)) copy.pieceSums.push(line);
      else copy.complete = tailSchema.safeParse(parseJson(line)).data;
    }
    return copy;
  }

  /** Opens a copy for writing, keeping its first pieces; with none, an old file is emptied. */
  async write(
    taskId: string,
    head: CopyHead,
    keptSums: readonly string[] = [],
  ): Promise<CopyWriter> {
    const path = this.path(taskId);
    await makeDirectory(dirname(path));
    const pieces = await open(path, keptSums.length > 0 ? "r+" : "w");
    try {
      const { framed, pieceSize, length, etag, lastModified } = head;
      const lines = [
        JSON.stringify({ framed, pieceSize, length, etag, lastModified }),
        ...keptSums,
      ];
      await writeFileAtomically(this.#indexPath(taskId), `${lines.join("\n")}\n`);
      const size = { bytes: (await pieces.stat()).size };
      this.#sizes.set(taskId, size);
      const index = await open(this.#indexPath(taskId), "a");
      return new CopyWriter(pieces, index, pieceSize, size);
    } catch (error) {
      await pieces.close();
      throw error;
    }
  }

  /** Opens a copy for reading; throws ENOENT where there is none. */
  open(taskId: string): Promise<FileHandle> {
    return open(this.path(taskId), "r");
  }

  /** Notes that a copy is in use. */
  async touch(taskId: string): Promise<void> {
    const now = new Date();
    await utimes(this.#indexPath(taskId), now, now).catch(() => {});
  }

  /** All copies on disk, whole or in part. */
  async list(): Promise<CachedFile[]> {
    const base = join(this.root, "download");
    const files: CachedFile[] = [];
    for (const prefix of await readdir(base).catch(() => [])) {
      for (const name of await readdir(join(base, prefix)).catch(() => [])) {
        if (!/^[0-9a-f]{64}$/.test(name)) continue;
        // A file may go while we look.
        const data = await stat(this.path(name)).catch(() => undefined);
        const index = await stat(this.#indexPath(name)).catch(() => undefined);
        if (!data) continue;
        const lastAccessMs = Math.max(data.mtimeMs, index?.mtimeMs ?? 0);
        files.push({ taskId: name, bytes: data.size, lastAccessMs });
      }
    }
    return files;
  }

  /** How many copies there are, and their bytes: the disk is asked for those of earlier runs once. */
  async totals(): Promise<{ files: number; bytes: number }> {
    this.#counting ??= this.list().then((files) => {
      for (const { taskId, bytes } of files) {
        if (!this.#sizes.has(taskId)) this.#sizes.set(taskId, { bytes });
      }
      for (const [taskId, { dropped }] of this.#sizes) {
        if (dropped) this.#sizes.delete(taskId);
      }
      this.#counted = true;
    });
    await this.#counting;
    let sum = 0;
    for (const { bytes } of this.#sizes.values()) sum += bytes;
    return { files: this.#sizes.size, bytes: sum };
  }

  /** Deletes a copy; returns its bytes, 0 where there is none. */
  async drop(taskId: string): Promise<number> {
    const bytes = await stat(this.path(taskId)).then(
      ({ size }) => size,
      () => 0,
    );
    await rm(this.#indexPath(taskId), { force: true });
    await rm(this.path(taskId), { force: true });
    if (this.#counted) this.#sizes.delete(taskId);
    // Who counts just now may have seen it still.
    else this.#sizes.set(taskId, { bytes: 0, dropped: true });
    return bytes;
  }

  /**
   * Bytes free on the disk of the cache.
   *
   * @throws the system's error where the disk does not say
   */
  async freeBytes(): Promise<number> {
    await makeDirectory(this.root);
    return freeBytes(this.root);
  }
}

/** Bytes of a copy on disk; its writer keeps it up to date. */
interface CopySize {
  bytes: number;
  /** It went before all were counted. */
  dropped?: boolean;
}

/** Writes one copy. */
export class CopyWriter {
  readonly #pieces: FileHandle;
  readonly #index: FileHandle;
  readonly #pieceSize: number;
  readonly #size: CopySize;

  constructor(pieces: FileHandle, index: FileHandle, pieceSize: number, size: CopySize) {
    this.#pieces = pieces;
    this.#index = index;
    this.#pieceSize = pieceSize;
    this.#size = size;
  }

  /** Puts the next piece on disk; it can be served when this resolves. */
  async piece(piece: CutPiece): Promise<void> {
    const start = piece.number * this.#pieceSize;
    await writeAll(this.#pieces, piece.bytes, start);
    this.#size.bytes = Math.max(this.#size.bytes, start + piece.bytes.byteLength);
    await this.#index.appendFile(`${piece.sum}\n`);
  }

  /** Puts the part of a piece on disk that is there already; the index says nothing of it. */
  async part({ number, at, bytes }: PiecePart): Promise<void> {
    const start = number * this.#pieceSize + at;
    await writeAll(this.#pieces, bytes, start);
    this.#size.bytes = Math.max(this.#size.bytes, start + bytes.byteLength);
  }

  /** Marks the copy as complete. */
  async complete(length: number, realMd5: string, wireLength: number): Promise<void> {
    // A longer file may have lain there before.
    await this.#pieces.truncate(wireLength);
    this.#size.bytes = wireLength;
    await this.#index.appendFile(`${JSON.stringify({ length, realMd5 })}\n`);
  }

  async close(): Promise<void> {
    await this.#pieces.close();
    await this.#index.close();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const left = bytes.byteLength - done;
    const { bytesWritten } = await file.write(bytes, done, left, position + done);
    done += bytesWritten;
  }
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}
