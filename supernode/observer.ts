import type { TaskMetrics } from "../protocol/v1/report.ts";

/** Where bytes of a file came from that a node has got: outside, our own copy, or another node. */
export type ByteOrigin = "registry" | "supernode" | "peer";

/** Something that went wrong, in words for people; without secrets. */
export interface Problem {
  kind: "refused" | "copy failed" | "node given up" | "wrong bytes" | "download failed";
  /** Address of the node that it is about, where it is about one. */
  node?: string;
  text: string;
}

/**
 * What the supernode tells whoever counts (protocol §7). Gauges (`peers`, `tasks{cdnstatus}`,
 * `dfgettasks{callsystem,status}`) are not events: read them off the task store.
 */
export interface SupernodeObserver {
  /**
   * A task nobody knew was registered: `tasks_registered_total`, `tasks_registered_bytes_total`.
   *
   * @param bytes of its file; below 0 where unknown
   */
  taskRegistered(bytes: number): void;
  /** A client registered: `dfgettasks_registered_total{callsystem}`. */
  clientRegistered(callSystem: string): void;
  /** A client could not register, or was sent back to the source: `dfgettasks_failed_total{callsystem}`. */
  clientFailed(callSystem: string): void;
  /** A pull was answered: `schedule_duration_milliseconds{peer}`. */
  pieceScheduled(peerIp: string, ms: number): void;
  /** A client holds a piece now: `pieces_downloaded_size_bytes_total`, bytes on the wire. */
  pieceDownloaded(bytes: number): void;
  /** Bytes of a file have come to a node: `node_bytes_total{origin}`. */
  nodeReceived(origin: ByteOrigin, bytes: number): void;
  /** Something went wrong that an operator may want to know of. */
  problem(problem: Problem): void;
  /** The own copy of a task was asked for: `cdn_trigger_total`. */
  cdnTriggered(): void;
  /** It could not be begun: `cdn_trigger_failed_total`. */
  cdnTriggerFailed(): void;
  /** A copy on disk was found good: `cdn_cache_hit_total`. */
  cdnCacheHit(): void;
  /** A download from the source began: `cdn_download_total`. */
  cdnDownload(): void;
  /** It ended without the whole file: `cdn_download_failed_total`. */
  cdnDownloadFailed(): void;
  /** File bytes received from the source for own copies. */
  sourceBytes(bytes: number): void;
  /** Bytes sent from the file port. */
  bytesServed(bytes: number): void;
  /** A client told how its download went: the `dragonfly_dfget_*` metrics. */
  downloadReported(metrics: TaskMetrics): void;
}

const ignore = () => {};

/** Counts nothing. */
export const SILENT: SupernodeObserver = {
  taskRegistered: ignore,
  clientRegistered: ignore,
  clientFailed: ignore,
  pieceScheduled: ignore,
  pieceDownloaded: ignore,
  nodeReceived: ignore,
  problem: ignore,
  cdnTriggered: ignore,
  cdnTriggerFailed: ignore,
  cdnCacheHit: ignore,
  cdnDownload: ignore,
  cdnDownloadFailed: ignore,
  sourceBytes: ignore,
  bytesServed: ignore,
  downloadReported: ignore,
};

/** Tells several what it is told. */
export function observers(...all: readonly SupernodeObserver[]): SupernodeObserver {
  const names = Object.keys(SILENT) as (keyof SupernodeObserver)[];
  const tell =
    (name: keyof SupernodeObserver) =>
    (...what: unknown[]) => {
      for (const one of all) (one[name] as (...what: unknown[]) => void).apply(one, what);
    };
  return Object.fromEntries(
    names.map((name) => [name, tell(name)]),
  ) as unknown as SupernodeObserver;
}
