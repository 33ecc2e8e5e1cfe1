import { fstatSync, type Stats } from "node:fs";
import { constants, type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import {
  contentSize,
  type PieceLayout,
  pieceContent,
  pieceCount,
} from "../../protocol/piece_range.ts";
import { cachedReads } from "../../runtime/cached_reads.ts";
import { makeDirectory, readFully } from "../../runtime/files.ts";
import { blockBuffers } from "./block_buffers.ts";
import { type FileIndex, indexPath, writeIndex } from "./index_file.ts";
import { PieceChecks } from "./piece_checks.ts";
import { sha256 } from "./sha256.ts";

/**
 * The one file of a download on this node: pieces are written once, bare, at their place, and read
 * from there for other peers and for this node's own clients.
 */
export class TaskFile {
  readonly path: string;
  /** Bytes that others have got of it from this node. */
  servedBytes = 0;
  readonly #handle: FileHandle;
  readonly #held: Set<number>;
  readonly #withheld = new Set<number>();
  readonly #listeners = new Set<(piece: number) => void>();
  #layout: PieceLayout;
  #index: FileIndex;
  #closed = false;
  /** Whether the index on disk tells less than is known. */
  #unsaved = true;
  /** How the file lay on disk when it was found to be right. */
  #seal: { size: number; mtimeMs: number; ctimeMs: number } | undefined;
  readonly #checks: PieceChecks;
  /** Pieces that are being hashed. */
  readonly #hashing = new Map<number, Promise<boolean>>();

  private constructor(path: string, handle: FileHandle, index: FileIndex) {
    this.path = path;
    this.#handle = handle;
    this.#index = index;
    this.#layout = { pieceSize: index.pieceSize, framed: index.framed, length: index.length };
    this.#held = new Set(index.pieces);
    this.#checks = PieceChecks.fromBase64(index.pieces, index.digests);
  }

  /** Makes an empty file for a new download. */
  static async create(path: string, index: FileIndex): Promise<TaskFile> {
    await makeDirectory(dirname(path));
    const handle = await open(path, "w+", 0o644);
    return new TaskFile(path, handle, index);
  }

  /**
   * Opens a file that an earlier run left, with its index.
   *
   * @throws when the file is gone or shorter than its index says
   */
  static async reopen(path: string, index: FileIndex): Promise<TaskFile> {
    const handle = await open(path, constants.O_RDWR);
    const file = new TaskFile(path, handle, index);
    file.#unsaved = false;
    const { size } = fstatSync(handle.fd);
    const last = Math.max(-1, ...index.pieces);
    const needed = last < 0 ? 0 : pieceContent(last, file.layout);
    if (typeof needed === "object" && size < needed.offset + needed.length) {
      await handle.close();
      throw new Error(`${path} is shorter than its index says`);
    }
    return file;
  }

  get index(): FileIndex {
    const pieces = [...this.#held];
    const { length } = this.#layout;
    return { ...this.#index, length, pieces, digests: this.#checks.toBase64(pieces) };
  }

  /** Whether the whole file was found to be right once. */
  get verified(): boolean {
    return this.#index.verified;
  }

  get layout(): PieceLayout {
    return this.#layout;
  }

  get held(): ReadonlySet<number> {
    return this.#held;
  }

  /** Whether a later run would not find all that is here, for want of {@link saveIndex}. */
  get unsaved(): boolean {
    return this.#unsaved;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether every piece is here; never while the length is unknown. */
  get complete(): boolean {
    return this.#layout.length >= 0 && this.#held.size === pieceCount(this.#layout);
  }

  /** Tells the length once it is known. */
  setLength(length: number): void {
    this.#layout = { ...this.#layout, length };
  }

  has(piece: number): boolean {
    return this.#held.has(piece);
  }

  /** The pieces that are not here yet; the length must be known. */
  missing(): number[] {
    const all = pieceCount(this.#layout);
    return Array.from({ length: all }, (_, piece) => piece).filter(
      (piece) => !this.#held.has(piece),
    );
  }

  /**
   * Writes a piece's content at its place. Writing one twice is harmless.
   *
   * @param digest its sha256, where that is known
   * @throws the file system's error, a full disk among them
   */
  async writePiece(piece: number, content: Uint8Array, digest?: Uint8Array): Promise<void> {
    await this.stagePiece(piece, content, digest);
    this.confirmPiece(piece);
  }

  /** Writes a piece's content at its place; it is held only when {@link confirmPiece} says so. */
  async stagePiece(piece: number, content: Uint8Array, digest?: Uint8Array): Promise<void> {
    this.#checks.note(piece, digest, performance.now());
    if (content.byteLength > 0) {
      const offset = piece * contentSize(this.#layout);
      let written = 0;
      while (written < content.byteLength) {
        const { bytesWritten } = await this.#handle.write(
          content,
          written,
          content.byteLength - written,
          offset + written,
        );
        written += bytesWritten;
      }
    }
  }

  /** A piece that lies at its place is what it should be: readers and peers may have it. */
  confirmPiece(piece: number): void {
    this.#held.add(piece);
    this.#unsaved = true;
    for (const listener of this.#listeners) listener(piece);
  }

  /**
   * Tells of each piece that comes from now on.
   *
   * @returns to be called when it is to stop
   */
  onPiece(listener: (piece: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether all bytes of a stretch of the file are here for other peers; what lies beyond the end does not count. */
  holds(offset: number, length: number): boolean {
    let any = false;
    for (const piece of this.#piecesIn(offset, length)) {
      if (!this.#held.has(piece) || this.#withheld.has(piece)) return false;
      any = true;
    }
    return any || this.#held.has(Math.floor(offset / contentSize(this.#layout)));
  }

  /** The pieces that a stretch of the file has bytes of; what lies beyond the end does not count. */
  *#piecesIn(offset: number, length: number): Generator<number> {
    const size = contentSize(this.#layout);
    const known = this.#layout.length;
    const end = known < 0 ? offset + length : Math.min(offset + length, known);
    for (let piece = Math.floor(offset / size); piece * size < end; piece++) yield piece;
  }

  /** Keeps a piece from other peers that others say is another than ours. */
  withholdPiece(piece: number): void {
    this.#withheld.add(piece);
  }

  /** Forgets a piece that turned out wrong. */
  dropPiece(piece: number): void {
    this.#held.delete(piece);
    this.#unsaved = true;
    this.#withheld.delete(piece);
  }

  /**
   * Reads file bytes into `target`, all of it.
   *
   * @throws when the file ends before
   */
  async readInto(target: Uint8Array, offset: number): Promise<void> {
    // Until a moment ago these bytes were written, or read: they are in memory.
    const isCached = this.#isChecked(offset, target.byteLength, performance.now());
    if (isCached && cachedReads.read(this.#handle, target, offset) === target.byteLength) return;
    const read = await readFully(this.#handle, target, offset);
    if (read < target.byteLength) throw new Error(`${this.path} ends at byte ${offset + read}`);
  }

  /** Notes how the file lies on disk, now that it has been found to be right. */
  async seal(): Promise<void> {
    const { size, mtimeMs, ctimeMs } = this.#stat();
    this.#seal = { size, mtimeMs, ctimeMs };
  }

  /** The whole file has been found to be right. */
  foundRight(nowMs = performance.now()): void {
    this.#checks.allRight(nowMs);
  }

  /**
   * Whether nobody has changed the file on disk since {@link seal}: a program that writes to it, or to the output
   * of dfget that is the same file. What a failing disk changes only {@link isIntact} can tell, or who sets back
   * the time of change. On Deno (2.9.6), which tells `ctime` in whole seconds, a change within the second of the
   * seal that sets back `mtime` is of that kind, too.
   */
  async isUntouched(): Promise<boolean> {
    const seal = this.#seal;
    if (!seal) return false;
    const { size, mtimeMs, ctimeMs } = this.#stat();
    if (size !== seal.size || mtimeMs !== seal.mtimeMs) return false;
    if (ctimeMs === seal.ctimeMs) return true;
    // It may only have got another name or owner: the digests say.
    if (![...this.#held].every((piece) => this.#checks.knows(piece))) return false;
    this.#checks.doubtAll();
    seal.ctimeMs = ctimeMs;
    return true;
  }

  /**
   * Whether the pieces of a stretch of the file are on disk what they should be. Each is hashed where that was last
   * known more than {@link RECHECK_MS} ago. What was never hashed counts as right, and is from then on known by this
   * hash.
   */
  async isIntact(offset: number, length: number, nowMs = performance.now()): Promise<boolean> {
    if (this.#layout.length < 0) return true;
    for (const piece of this.#piecesIn(offset, length)) {
      if (!this.#checks.isDue(piece, nowMs)) continue;
      let hashing = this.#hashing.get(piece);
      if (!hashing) {
        hashing = this.#isRight(piece, nowMs).finally(() => this.#hashing.delete(piece));
        this.#hashing.set(piece, hashing);
      }
      if (!(await hashing)) return false;
    }
    return true;
  }

  /** What a piece that is here, and that others may have, hashes to; `undefined` where it is damaged on disk. */
  async digestOf(piece: number): Promise<Uint8Array | undefined> {
    const { offset, length } = pieceContent(piece, this.#layout);
    if (!this.holds(offset, length) || !(await this.isIntact(offset, length))) return undefined;
    return this.#checks.digestOf(piece);
  }

  /** Of an open file the system knows these without asking a disk. */
  #stat(): Stats {
    return fstatSync(this.#handle.fd);
  }

  /** Whether all pieces of a stretch were written, or hashed, less than {@link RECHECK_MS} ago. */
  #isChecked(offset: number, length: number, nowMs: number): boolean {
    for (const piece of this.#piecesIn(offset, length))
      if (this.#checks.isDue(piece, nowMs)) return false;
    return true;
  }

  async #isRight(piece: number, nowMs: number): Promise<boolean> {
    const { offset, length } = pieceContent(piece, this.#layout);
    const content = blockBuffers.take(length);
    try {
      await this.readInto(content, offset);
      return this.#checks.judge(piece, await sha256(content), nowMs);
    } catch {
      return false;
    } finally {
      blockBuffers.give(content);
    }
  }

  /** Whether the file was found to be right, and somebody has changed it on disk since. */
  async isTamperedWith(): Promise<boolean> {
    return this.#seal !== undefined && !(await this.isUntouched());
  }

  /** Notes facts that the index carries along. */
  annotate(
    facts: Partial<Pick<FileIndex, "verified" | "cid" | "supernode" | "taskId" | "touchedMs">>,
  ): void {
    this.#index = { ...this.#index, ...facts };
    this.#unsaved = true;
  }

  /**
   * Writes the index beside the file, so that a later run finds what is here.
   *
   * @throws the file system's error, a full disk among them
   */
  async saveIndex(): Promise<void> {
    this.#unsaved = false;
    try {
      await writeIndex(indexPath(this.path), this.index);
    } catch (error) {
      this.#unsaved = true;
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }

  /** Closes the file and takes it and its index away. */
  async remove(): Promise<void> {
    await this.close();
    await Promise.all([rm(this.path, { force: true }), rm(indexPath(this.path), { force: true })]);
  }
}
