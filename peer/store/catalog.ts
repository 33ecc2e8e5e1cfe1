import { type FileHandle, open, readdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { peerFilePath } from "../../protocol/names.ts";
import { getLogger } from "../../runtime/logger.ts";
import { indexPath, readIndex } from "./index_file.ts";
import { OwnPath } from "./own_path.ts";
import { TaskFile } from "./task_file.ts";

/** Files in the data directory end in this, as v1's do; their indexes add `.json`. */
export const DATA_SUFFIX = ".service";

/** What {@link writeFileAtomically} calls an index that it has not put in its place yet. */
const HALF_INDEX = /\.service\.json\.\d+\.tmp$/;

/** One file that this node holds, or is fetching, and hands to other peers. */
export interface CatalogEntry {
  /** Name on the peer server. */
  name: string;
  path: string;
  /** Where others ask for it; absent where a program of v1 has announced it, and named the file itself only. */
  ownPath?: OwnPath | undefined;
  /** Cache key, or empty for a file that another process is fetching. */
  key: string;
  taskId: string;
  cid: string;
  /** `host:port` of the supernode that knows of it, or empty. */
  supernode: string;
  /** Whether this process has checked it and told a supernode of it. */
  announced?: boolean;
  /** Set when this process opened it as its own. */
  file?: TaskFile | undefined;
  /** Set when another process of this node writes it, and it was read here. */
  foreign?: Promise<FileHandle> | undefined;
  /** Downloads and readers of this process that need it; it does not expire meanwhile. */
  users: number;
  /** ms since the epoch. */
  touchedMs: number;
}

const log = getLogger("dfserver");

/** Everything in a node's data directory, by name and by cache key. */
export class Catalog {
  readonly dataDir: string;
  readonly #byName = new Map<string, CatalogEntry>();

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  /** Finds what an earlier run left: indexed files are kept; for others see {@link removeWaste}. */
  async load(): Promise<void> {
    const names = await readdir(this.dataDir).catch(() => []);
    for (const fileName of names) {
      if (!fileName.endsWith(DATA_SUFFIX)) continue;
      const path = join(this.dataDir, fileName);
      const index = await readIndex(indexPath(path));
      // Without it the file is waste, unless another process is at it, and about to write the index.
      if (!index) continue;
      if (index === "damaged" || index.pieces.length === 0) {
        await rm(indexPath(path), { force: true }).catch(() => {});
        continue;
      }
      try {
        const file = await TaskFile.reopen(path, index);
        this.add({
          name: index.name,
          path,
          // Whoever was told of it before was told by a process that is gone.
          ownPath: new OwnPath(peerFilePath(index.name), performance.now()),
          key: index.key,
          taskId: index.taskId,
          cid: index.cid,
          supernode: index.supernode,
          file,
          users: 0,
          touchedMs: index.touchedMs,
        });
      } catch (error) {
        log.warn("dropping a cached file that cannot be used: {reason}", {
          reason: (error as Error).message,
        });
        await Promise.all([rm(path, { force: true }), rm(indexPath(path), { force: true })]);
      }
    }
  }

  /**
   * Deletes what no program will ask for again: data files without an index and half an index, which a
   * killed process left, and indexes without a data file. What another process of this node writes now is
   * younger.
   *
   * @param olderThanMs ms since the epoch
   */
  async removeWaste(olderThanMs: number): Promise<void> {
    const names = new Set(await readdir(this.dataDir).catch(() => []));
    const known = new Set([...this.#byName.values()].map((entry) => basename(entry.path)));
    for (const name of names) {
      if (!HALF_INDEX.test(name)) {
        const isIndex = name.endsWith(indexPath(DATA_SUFFIX));
        if (!isIndex && !name.endsWith(DATA_SUFFIX)) continue;
        const data = isIndex ? name.slice(0, -indexPath("").length) : name;
        const other = isIndex ? data : indexPath(data);
        if (known.has(data) || names.has(other)) continue;
      }
      const path = join(this.dataDir, name);
      const stats = await stat(path).catch(() => undefined);
      if (!stats || stats.mtimeMs >= olderThanMs) continue;
      log.info("{name} was left unfinished by an earlier run; dropping it", { name });
      // A disk that takes no changes may some day.
      await rm(path, { force: true }).catch(() => {});
    }
  }

  add(entry: CatalogEntry): void {
    this.#byName.set(entry.name, entry);
  }

  get(name: string): CatalogEntry | undefined {
    return this.#byName.get(name);
  }

  /** The file with that cache key which this process has open, the fullest if there are several. */
  byKey(key: string): CatalogEntry | undefined {
    let best: CatalogEntry | undefined;
    for (const entry of this.#byName.values()) {
      if (entry.key !== key || !entry.file) continue;
      if (!best || entry.file.held.size > best.file!.held.size) best = entry;
    }
    return best;
  }

  entries(): IterableIterator<CatalogEntry> {
    return this.#byName.values();
  }

  get size(): number {
    return this.#byName.size;
  }

  /** A handle on a file that another process writes: one, however many ask at once. */
  openForeign(entry: CatalogEntry): Promise<FileHandle> {
    entry.foreign ??= open(entry.path, "r").catch((error: Error) => {
      entry.foreign = undefined;
      throw error;
    });
    return entry.foreign;
  }

  /** When a file was last written, or touched here, whichever is later; ms since the epoch. */
  async lastUse(entry: CatalogEntry): Promise<number> {
    if (entry.file) return entry.touchedMs;
    const written = await stat(entry.path).then(
      (stats) => stats.mtimeMs,
      () => 0,
    );
    return Math.max(entry.touchedMs, written);
  }

  /** Writes the indexes that could not be written when their downloads ended: the disk was full, say. */
  async saveIndexes(): Promise<void> {
    for (const { file, users } of this.#byName.values()) {
      if (!file?.unsaved || file.closed || users > 0) continue;
      // What cannot be written now is tried again by the next sweep.
      await file.saveIndex().catch(() => {});
    }
  }

  /** Takes a file off the disk and out of the catalog. */
  async remove(entry: CatalogEntry): Promise<void> {
    if (this.#byName.get(entry.name) === entry) this.#byName.delete(entry.name);
    await closeForeign(entry);
    if (entry.file) await entry.file.remove();
    else
      await Promise.all([
        rm(entry.path, { force: true }),
        rm(indexPath(entry.path), { force: true }),
      ]);
  }

  /** Writes all indexes and closes all files; they stay on disk. */
  async close(): Promise<void> {
    for (const { file, touchedMs } of this.#byName.values()) {
      if (!file || file.closed) continue;
      file.annotate({ touchedMs });
      await file.saveIndex().catch(() => {});
    }
    for (const entry of this.#byName.values()) {
      await closeForeign(entry);
      await entry.file?.close();
    }
    this.#byName.clear();
  }
}

async function closeForeign({ foreign }: CatalogEntry): Promise<void> {
  await foreign?.then((handle) => handle.close()).catch(() => {});
}
