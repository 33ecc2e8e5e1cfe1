import { isIP } from "node:net";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { CdnStatus } from "../protocol/v1/peers.ts";
import type { TaskMetrics } from "../protocol/v1/report.ts";
import { expiryOf } from "../runtime/certificates.ts";
import { collectProcessMetrics } from "../runtime/process_metrics.ts";
import { goArchitecture, runtimeName, VERSION } from "../runtime/version.ts";
import type { Supernode } from "./app.ts";
import { httpMetrics } from "./http_metrics.ts";
import type { ByteOrigin, SupernodeObserver } from "./observer.ts";
import type { Sharing } from "./shared/ownership.ts";
import type { SwarmLoad } from "./swarm/swarm_state.ts";
import { type ClientState, shownCdnStatus } from "./tasks/task.ts";

const PREFIX = "dragonfly_supernode_";
const CDN_STATES: CdnStatus[] = ["WAITING", "RUNNING", "FAILED", "SUCCESS", "SOURCE_ERROR"];
const CLIENT_STATES: ClientState[] = ["WAITING", "RUNNING", "SUCCESS", "FAILED"];
const BYTE_ORIGINS: ByteOrigin[] = ["registry", "supernode", "peer"];
/** Clients name their call system themselves: more names than this are counted together. */
const MAX_CALL_SYSTEMS = 100;
/** … and more registries than this are not shown. */
const MAX_REGISTRIES = 50;

/** The Prometheus metrics of a supernode, under v1's names (protocol §7). */
export class SupernodeMetrics implements SupernodeObserver {
  readonly registry = new Registry();
  readonly #callSystems = new Set<string>();

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
  readonly #lastGcDisks = this.#gauge(
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
    this.#gauge("build_info", "Version and platform of this program", [
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

  /** Adds the gauges of what a supernode has; read whenever the metrics are. */
  watch(of: Pick<Supernode, "store" | "cache" | "downloads" | "swarmLoad">): void {
    const { store, cache, downloads } = of;
    // All gauges are read in one turn: the swarms need not be counted up for each.
    let counted: SwarmLoad | undefined;
    const swarmLoad = () => {
      if (!counted) {
        counted = of.swarmLoad();
        queueMicrotask(() => {
          counted = undefined;
        });
      }
      return counted;
    };
    this.#gauge("swarm_members", "Members of swarms, by state", ["state"], (gauge) => {
      const { downloading, complete } = swarmLoad();
      gauge.set({ state: "downloading" }, downloading);
      gauge.set({ state: "complete" }, complete);
    });
    this.#gauge("swarm_runners", "Members of swarms that fetch from outside", [], (gauge) => {
      gauge.set(swarmLoad().runners);
    });
    this.#gauge("swarm_leases", "Leases to fetch from outside that are held", [], (gauge) => {
      gauge.set(swarmLoad().leases);
    });
    this.#gauge(
      "swarm_open_blocks",
      "Blocks of 1 MiB that are still to be leased, in swarms that download",
      [],
      (gauge) => gauge.set(swarmLoad().openBlocks),
    );
    this.#gauge("source_downloads", "Downloads from sources, by state", ["state"], (gauge) => {
      const { running, waiting } = downloads();
      gauge.set({ state: "running" }, running);
      gauge.set({ state: "waiting" }, waiting);
    });
    this.#gauge(
      "source_connections",
      "Connections of nodes to a registry for swarms: in use, and as many as its link needs",
      ["registry", "state"],
      (gauge) => {
        const { connections } = swarmLoad();
        // Clients name the registries: those that matter are in use.
        const busiest = connections.sort((a, b) => b.used - a.used).slice(0, MAX_REGISTRIES);
        for (const { registry, used, wanted } of busiest) {
          gauge.set({ registry: registry || "(own copies)", state: "used" }, used);
          gauge.set({ registry: registry || "(own copies)", state: "wanted" }, wanted);
        }
      },
    );
    this.#gauge("cache_size_bytes", "Bytes of own copies on disk", [], async (gauge) => {
      gauge.set((await cache.totals()).bytes);
    });
    this.#gauge("cache_free_bytes", "Bytes free on the disk of own copies", [], async (gauge) => {
      const free = await cache.freeBytes().catch(() => undefined);
      if (free === undefined) gauge.remove();
      else gauge.set(free);
    });
    this.#gauge("peers", "Peers known", ["peer"], (gauge) => {
      for (const { hostName, ip } of store.peers()) gauge.inc({ peer: `${hostName}-${ip}` });
    });
    this.#gauge("tasks", "Tasks by the state of our own copy", ["cdnstatus"], (gauge) => {
      for (const cdnstatus of CDN_STATES) gauge.set({ cdnstatus }, 0);
      for (const task of store.tasks()) gauge.inc({ cdnstatus: shownCdnStatus(task) });
    });
    this.#gauge("dfgettasks", "Downloads by state", ["callsystem", "status"], (gauge) => {
      for (const callsystem of this.#callSystems) {
        for (const status of CLIENT_STATES) gauge.set({ callsystem, status }, 0);
      }
      for (const { callSystem, state } of store.clients()) {
        gauge.inc({ callsystem: this.#callSystem(callSystem), status: state });
      }
    });
  }

  /** Shows whether own copies can be written; `undefined`: they can. */
  watchCache(whyUnusable: () => Promise<string | undefined>): void {
    this.#gauge(
      "cache_writable",
      "Whether own copies can be written: 0 where the second line of /readyz says why not",
      [],
      async (gauge) => gauge.set((await whyUnusable()) === undefined ? 1 : 0),
    );
  }

  /** Shows whether tasks are shared with other supernodes, where that is configured. */
  watchSharing(read: () => Sharing | undefined): void {
    this.#gauge(
      "state_shared",
      "Whether tasks are shared with other supernodes: 0 while the shared state does not answer, or another supernode goes by the same address; no series without one, nor while draining",
      [],
      (gauge) => {
        const sharing = read();
        if (!sharing || sharing.state === "left") gauge.remove();
        else gauge.set(sharing.state === "shared" && !sharing.namesake ? 1 : 0);
      },
    );
  }

  /**
   * Shows when certificates expire.
   *
   * @param read PEM of those in use, by the keys of the configuration that name them
   */
  watchCertificates(read: () => Readonly<Record<string, string>>): void {
    this.#gauge(
      "certificate_expiry_timestamp_seconds",
      "When a certificate that the supernode uses expires, in seconds since the epoch",
      ["certificate"],
      (gauge) => {
        for (const [certificate, pem] of Object.entries(read())) {
          gauge.set({ certificate }, expiryOf(pem) / 1000);
        }
      },
    );
  }

  taskRegistered(bytes: number): void {
    this.#tasks.inc();
    this.#taskBytes.inc(Math.max(0, bytes));
  }
  clientRegistered(callSystem: string): void {
    this.#clients.inc({ callsystem: this.#callSystem(callSystem) });
  }
  clientFailed(callSystem: string): void {
    this.#clientsFailed.inc({ callsystem: this.#callSystem(callSystem) });
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
    const callsystem = this.#callSystem(metrics.callSystem);
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

  #callSystem(name: string): string {
    const short = name.slice(0, 64);
    if (!this.#callSystems.has(short)) {
      if (this.#callSystems.size >= MAX_CALL_SYSTEMS) return "(other)";
      this.#callSystems.add(short);
    }
    return short;
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

  #gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: Label[] = [],
    fill?: (gauge: Gauge<Label>) => void | Promise<void>,
  ): Gauge<Label> {
    const collect = function (this: Gauge<Label>) {
      this.reset();
      return fill?.(this);
    };
    return new Gauge({
      name: PREFIX + name,
      help,
      labelNames,
      registers: [this.registry],
      ...(fill ? { collect } : {}),
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
