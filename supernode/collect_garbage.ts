import { setTimeout as sleep } from "node:timers/promises";
import { getLogger } from "../runtime/logger.ts";
import type { SupernodeConfig } from "./settings.ts";
import type { Peer, Task } from "./tasks/task.ts";
import type { TaskStore } from "./tasks/task_store.ts";

const log = getLogger("supernode");

/**
 * The tasks to forget: nobody asked about them for `taskExpireMs`, and no download from the source is
 * under way. Their copies on disk stay.
 */
export function expiredTasks(
  tasks: Iterable<Pick<Task, "id" | "cdnStatus" | "lastAccessMs">>,
  nowMs: number,
  taskExpireMs: number,
): string[] {
  return [...tasks]
    .filter((task) => task.cdnStatus !== "RUNNING" && nowMs - task.lastAccessMs > taskExpireMs)
    .map((task) => task.id);
}

/**
 * The peers to forget: they serve no task any more (told by `/peer/service/down`, or their tasks have
 * expired), and have not been heard of for `peerGcDelayMs`.
 */
export function offlinePeers(
  peers: Iterable<Pick<Peer, "id" | "lastAccessMs">>,
  serving: ReadonlySet<string>,
  nowMs: number,
  peerGcDelayMs: number,
): string[] {
  return [...peers]
    .filter((peer) => !serving.has(peer.id) && nowMs - peer.lastAccessMs > peerGcDelayMs)
    .map((peer) => peer.id);
}

/** A copy of a file in the cache. */
export interface CachedCopy {
  taskId: string;
  /** Bytes on disk. */
  bytes: number;
  /** When it was last served or written; ms since the epoch. */
  lastAccessMs: number;
  /** Whether its task is known, and so may be asked for at any moment. */
  inUse: boolean;
}

export type DiskThresholds = Pick<
  SupernodeConfig,
  "youngGcThreshold" | "fullGcThreshold" | "intervalThresholdMs" | "cleanRatio"
>;

/**
 * The copies to drop when `freeBytes` are left on the disk (protocol §6): below `fullGcThreshold` all
 * that are not in use; below `youngGcThreshold` those idle for `intervalThresholdMs`, oldest first,
 * until enough is free again, and at most `cleanRatio` tenths of them at once.
 */
export function copiesToDrop(
  copies: readonly CachedCopy[],
  freeBytes: number,
  nowMs: number,
  thresholds: DiskThresholds,
): string[] {
  if (freeBytes >= thresholds.youngGcThreshold) return [];
  const unused = copies
    .filter((copy) => !copy.inUse)
    .sort((a, b) => a.lastAccessMs - b.lastAccessMs);
  if (freeBytes < thresholds.fullGcThreshold) return unused.map((copy) => copy.taskId);
  const idle = unused.filter((copy) => nowMs - copy.lastAccessMs > thresholds.intervalThresholdMs);
  const most = Math.ceil((idle.length * thresholds.cleanRatio) / 10);
  const chosen: string[] = [];
  let free = freeBytes;
  for (const copy of idle.slice(0, most)) {
    if (free >= thresholds.youngGcThreshold) break;
    free += copy.bytes;
    chosen.push(copy.taskId);
  }
  return chosen;
}

export interface GarbageCollectorOptions {
  /** Looked at anew each time: it may change. */
  config: DiskThresholds &
    Pick<
      SupernodeConfig,
      | "gcInitialDelayMs"
      | "gcMetaIntervalMs"
      | "gcDiskIntervalMs"
      | "taskExpireMs"
      | "peerGcDelayMs"
    >;
  store: TaskStore;
  /** The cache on disk. */
  cache: {
    list(): Promise<Omit<CachedCopy, "inUse">[]>;
    drop(taskId: string): Promise<unknown>;
    /** Bytes free on its disk. */
    freeBytes(): Promise<number>;
  };
  /** Told what went. */
  observer: {
    tasksCollected(count: number): void;
    peersCollected(count: number): void;
    disksCollected(nowMs: number): void;
  };
  /** ms since the epoch, as the times of files on disk are. */
  now: () => number;
  /** A clock that nobody sets, ms: set forward, another would have tasks forgotten that nodes are at. */
  steadyNow: () => number;
}

/** Keeps memory and disk of a supernode within bounds. */
export class GarbageCollector {
  readonly #options: GarbageCollectorOptions;
  readonly #stopped = new AbortController();

  constructor(options: GarbageCollectorOptions) {
    this.#options = options;
  }

  /** Collects from now on, at the intervals of the configuration. */
  start(): void {
    void this.#repeat("gcMetaIntervalMs", async () => this.collectMeta());
    void this.#repeat("gcDiskIntervalMs", () => this.collectDisk());
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** Forgets expired tasks and peers that are gone. */
  collectMeta(): void {
    const { config, store, observer, steadyNow } = this.#options;
    const nowMs = steadyNow();
    const tasks = expiredTasks(store.tasks(), nowMs, config.taskExpireMs);
    for (const id of tasks) store.removeTask(id);
    const serving = new Set([...store.clients()].map((client) => client.peerId));
    const peers = offlinePeers(store.peers(), serving, nowMs, config.peerGcDelayMs);
    for (const id of peers) store.removePeer(id);
    observer.tasksCollected(tasks.length);
    observer.peersCollected(peers.length);
    if (tasks.length + peers.length > 0) {
      log.debug("forgot {tasks} tasks and {peers} peers", {
        tasks: tasks.length,
        peers: peers.length,
      });
    }
  }

  /** Drops copies where the disk is getting full. */
  async collectDisk(): Promise<void> {
    const { config, store, cache, observer, now } = this.#options;
    const freeBytes = await cache.freeBytes();
    if (freeBytes >= config.youngGcThreshold) return;
    const copies = await cache.list();
    const withUse = copies.map((copy) => ({
      ...copy,
      inUse: store.task(copy.taskId) !== undefined,
    }));
    const victims = copiesToDrop(withUse, freeBytes, now(), config);
    for (const taskId of victims) {
      // It may have come into use since.
      if (store.task(taskId) === undefined) await cache.drop(taskId);
    }
    if (victims.length === 0) return;
    observer.disksCollected(now());
    log.info("{freeBytes} bytes were left on the disk: dropped {count} files of the cache", {
      freeBytes,
      count: victims.length,
    });
  }

  async #repeat(
    interval: "gcMetaIntervalMs" | "gcDiskIntervalMs",
    collect: () => Promise<void>,
  ): Promise<void> {
    const { signal } = this.#stopped;
    const pause = (ms: number) => sleep(ms, undefined, { signal, ref: false }).catch(() => {});
    await pause(this.#options.config.gcInitialDelayMs);
    while (!signal.aborted) {
      await collect().catch((error: Error) => {
        log.error("garbage collection failed: {reason}", { reason: error.message });
      });
      // An interval of 0 must not keep everybody else from running.
      await pause(Math.max(1, this.#options.config[interval]));
    }
  }
}
