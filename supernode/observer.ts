import type { TaskMetrics } from "../protocol/v1/report.ts";

/**
 * What the supernode tells whoever counts (protocol §7). Gauges (`peers`, `tasks{cdnstatus}`,
 * `dfgettasks{callsystem,status}`) are not events: read them off the task store.
 */
export interface SupernodeObserver {
  /** A task nobody knew was registered: `tasks_registered_total`. */
  taskRegistered(): void;
  /** A client registered: `dfgettasks_registered_total{callsystem}`. */
  clientRegistered(callSystem: string): void;
  /** A client could not register, or was sent back to the source: `dfgettasks_failed_total{callsystem}`. */
  clientFailed(callSystem: string): void;
  /** A pull was answered: `schedule_duration_milliseconds{peer}`. */
  pieceScheduled(peerIp: string, ms: number): void;
  /** A client holds a piece now: `pieces_downloaded_size_bytes_total`, bytes on the wire. */
  pieceDownloaded(bytes: number): void;
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
  cdnTriggered: ignore,
  cdnTriggerFailed: ignore,
  cdnCacheHit: ignore,
  cdnDownload: ignore,
  cdnDownloadFailed: ignore,
  sourceBytes: ignore,
  bytesServed: ignore,
  downloadReported: ignore,
};
