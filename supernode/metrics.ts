import { isIP } from "node:net";
import { Counter, Histogram, Registry } from "prom-client";
import type { TaskMetrics } from "../protocol/v1/report.ts";
import { collectProcessMetrics } from "../runtime/process_metrics.ts";
import { goArchitecture, runtimeName, VERSION } from "../runtime/version.ts";
import { CallSystems } from "./call_systems.ts";
import { httpMetrics } from "./http_metrics.ts";
import type { ByteOrigin, SupernodeObserver } from "./observer.ts";
import { gaugeIn, PREFIX, StateGauges } from "./state_gauges.ts";

const BYTE_ORIGINS: ByteOrigin[] = ["registry", "supernode", "peer"];

/** The Prometheus metrics of a supernode, under v1's names (protocol §7). */
export class SupernodeMetrics implements SupernodeObserver {
  readonly registry = new Registry();
  readonly #callSystems = new CallSystems();
  /** What is read whenever the metrics are. */
  readonly gauges = new StateGauges(this.registry, this.#callSystems);

  /** Counts HTTP requests. */
  readonly middleware = httpMetrics(this.registry, PREFIX);
  readonly #tasks = this.#counter("tasks_registered_total", "Tasks registered");
  readonly #taskBytes = this.#counter(
    "tasks_registered_bytes_total",
    "Bytes of the files of tasks registered: about what sources should have had to send",
  );
  readonly #clients = this.#counter("dfgettasks_registered_total", "Downloads registered", [
    "callsystem",
  ]);
  readonly #clientsFailed = this.#counter(
    "dfgettasks_failed_total",
    "Downloads that were refused or sent back to the source",
    ["callsystem"],
  );
  readonly #scheduleMs = this.#histogram(
    "schedule_duration_milliseconds",
    "Milliseconds to decide which pieces a client gets from whom",
    ["peer"],
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 10, 100],
  );
  readonly #pieceBytes = this.#counter(
    "pieces_downloaded_size_bytes_total",
    "Bytes of the pieces that clients reported",
  );
  readonly #nodeBytes = this.#counter(
    "node_bytes_total",
    "Bytes of files that have come to nodes, by where from, as far as they report it",
    ["origin"],
  );
  readonly #triggers = this.#counter("cdn_trigger_total", "Own copies asked for");
  readonly #triggersFailed = this.#counter(
    "cdn_trigger_failed_total",
    "Own copies that could not be begun",
  );
  readonly #cacheHits = this.#counter("cdn_cache_hit_total", "Own copies found on disk");
  readonly #seeds = this.#counter("cdn_download_total", "Downloads from sources");
  readonly #seedsFailed = this.#counter(
    "cdn_download_failed_total",
    "Downloads from sources that did not bring the whole file",
  );
  readonly #sourceBytes = this.#counter("source_bytes_total", "Bytes received from sources");
  readonly #servedBytes = this.#counter("served_bytes_total", "Bytes sent from own copies");
  readonly #gcTasks = this.#counter("gc_tasks_total", "Tasks forgotten");
  readonly #gcPeers = this.#counter("gc_peers_total", "Peers forgotten");
  readonly #gcDisks = this.#counter("gc_disks_total", "Collections that dropped own copies");
  readonly #lastGcDisks = gaugeIn(
    this.registry,
    "last_gc_disks_timestamp_seconds",
    "When own copies were last dropped",
  );
  readonly #dfgetSeconds = new Histogram({
    name: "dragonfly_dfget_download_duration_seconds",
    help: "Seconds that downloads took, as clients report them",
    labelNames: ["callsystem", "peer"],
    buckets: [0.5, 1, 3, 10, 30, 60, 120, 300, 600],
    registers: [this.registry],
  });
  readonly #dfgetBytes = this.#dfgetCounter("size_bytes_total", "Bytes of reported downloads");
  readonly #dfgetTotal = this.#dfgetCounter("total", "Reported downloads");
  readonly #dfgetFailed = this.#dfgetCounter("failed_total", "Reported downloads that failed", [
    "reason",
  ]);

  constructor() {
    for (const origin of BYTE_ORIGINS) this.#nodeBytes.inc({ origin }, 0);
    collectProcessMetrics(this.registry);
    gaugeIn(this.registry, "build_info", "Version and platform of this program", [
      "version",
      "revision",
      "goversion",
      "arch",
      "os",
    ]).set(
      {
        version: VERSION,
        revision: "",
        goversion: runtimeName(),
        arch: goArchitecture(),
        os: process.platform,
      },
      1,
    );
  }

  taskRegistered(bytes: number): void {
    this.#tasks.inc();
    this.#taskBytes.inc(Math.max(0, bytes));
  }
  clientRegistered(callSystem: string): void {
    this.#clients.inc({ callsystem: this.#callSystems.shown(callSystem) });
  }
  clientFailed(callSystem: string): void {
    this.#clientsFailed.inc({ callsystem: this.#callSystems.shown(callSystem) });
  }
  pieceScheduled(peerIp: string, ms: number): void {
    this.#scheduleMs.observe({ peer: peerIp }, ms);
  }
  pieceDownloaded(bytes: number): void {
    this.#pieceBytes.inc(bytes);
  }
  nodeReceived(origin: ByteOrigin, bytes: number): void {
    this.#nodeBytes.inc({ origin }, bytes);
  }
  /** What it was is for the log, and the console. */
  problem(): void {}
  cdnTriggered(): void {
    this.#triggers.inc();
  }
  cdnTriggerFailed(): void {
    this.#triggersFailed.inc();
  }
  cdnCacheHit(): void {
    this.#cacheHits.inc();
  }
  cdnDownload(): void {
    this.#seeds.inc();
  }
  cdnDownloadFailed(): void {
    this.#seedsFailed.inc();
  }
  sourceBytes(bytes: number): void {
    this.#sourceBytes.inc(bytes);
  }
  bytesServed(bytes: number): void {
    this.#servedBytes.inc(bytes);
  }
  downloadReported(metrics: TaskMetrics): void {
    const callsystem = this.#callSystems.shown(metrics.callSystem);
    const peer = isIP(metrics.IP) ? metrics.IP : "";
    this.#dfgetTotal.inc({ callsystem, peer });
    if (metrics.success) {
      this.#dfgetSeconds.observe({ callsystem, peer }, metrics.duration);
      this.#dfgetBytes.inc({ callsystem, peer }, Math.max(0, metrics.fileLength));
    } else {
      const reason = /^\d{1,4}$/.test(metrics.backsourceReason) ? metrics.backsourceReason : "";
      this.#dfgetFailed.inc({ callsystem, peer, reason });
    }
  }

  tasksCollected(count: number): void {
    this.#gcTasks.inc(count);
  }
  peersCollected(count: number): void {
    this.#gcPeers.inc(count);
  }
  /** @param nowMs ms since the epoch */
  disksCollected(nowMs: number): void {
    this.#gcDisks.inc();
    this.#lastGcDisks.set(nowMs / 1000);
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[] = []) {
    return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.registry] });
  }

  #dfgetCounter(name: string, help: string, more: string[] = []) {
    return new Counter({
      name: `dragonfly_dfget_download_${name}`,
      help,
      labelNames: ["callsystem", "peer", ...more],
      registers: [this.registry],
    });
  }

  #histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    buckets: number[],
  ) {
    return new Histogram({
      name: PREFIX + name,
      help,
      labelNames,
      buckets,
      registers: [this.registry],
    });
  }
}
