import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Origin, PeerStatus } from "../peer/mod.ts";
import { expiryOf } from "../runtime/certificates.ts";
import { collectProcessMetrics } from "../runtime/process_metrics.ts";
import { goArchitecture, runtimeName, VERSION } from "../runtime/version.ts";

const FALLBACK_REASONS = [
  "no_peer",
  "source_refused",
  "source_unreachable",
  "no_length",
  "empty",
  "open_failed",
  "open_timeout",
  "length_differs",
  "stream_failed",
] as const;
/** Why a blob that should have come by p2p went straight to the source. */
export type FallbackReason = (typeof FALLBACK_REASONS)[number];

const FAILURES = ["wrong_bytes", "source_unreachable", "source_error", "broken_off"] as const;
/**
 * Why a client did not get what it asked for: the bytes were not what their digest says, the source could
 * not be reached (502) or answered with an error of its own (5xx), or broke off in the middle.
 */
export type Failure = (typeof FAILURES)[number];

/** What dfdaemon counts, one set an instance. */
export interface ProxyMetrics {
  registry: Registry;
  countBytes(origin: Origin, bytes: number): void;
  /** Bytes that other nodes got from here. */
  countServed(bytes: number): void;
  countFallback(reason: FallbackReason): void;
  /** A blob's bytes were not what its digest says. */
  countVerificationFailure(): void;
  countFailure(failure: Failure): void;
  /** @param seconds from the request of a blob to its first byte */
  observeFirstByte(seconds: number): void;
  /** Shows what the peer has, read whenever the metrics are. */
  watch(peer: { status(): PeerStatus }): void;
  /** Shows how much room there is, read whenever the metrics are. */
  watchDisk(freeBytes: () => Promise<number>): void;
  /** Shows whether /readyz says so, read whenever the metrics are. */
  watchReadiness(notReady: () => Promise<string | undefined>): void;
  /** Says what certificates are in use, PEM each, by the key of the configuration that names it. */
  showCertificates(chains: Readonly<Record<string, string | undefined>>): void;
}

export function createMetrics(): ProxyMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectProcessMetrics(registry);
  const buildInfo = new Gauge({
    name: "dragonfly_dfdaemon_build_info",
    help: "The build of dfdaemon; always 1.",
    labelNames: ["version", "revision", "goversion", "arch", "os"],
    registers,
  });
  buildInfo.set(
    {
      version: VERSION,
      revision: "",
      goversion: runtimeName(),
      arch: goArchitecture(),
      os: process.platform,
    },
    1,
  );
  const bytes = new Counter({
    name: "dragonfly_dfdaemon_bytes_total",
    help: "Bytes of blobs, by where they came from.",
    labelNames: ["origin"],
    registers,
  });
  // Present from the start, so that a rate over them is never undefined.
  for (const origin of ["peer", "supernode", "registry", "cache"]) bytes.inc({ origin }, 0);
  const fallbacks = new Counter({
    name: "dragonfly_dfdaemon_fallbacks_total",
    help: "Blobs that went straight to the source, wholly or from some byte on, by reason.",
    labelNames: ["reason"],
    registers,
  });
  for (const reason of FALLBACK_REASONS) fallbacks.inc({ reason }, 0);
  const served = new Counter({
    name: "dragonfly_dfdaemon_served_bytes_total",
    help: "Bytes of blobs that other nodes got from this one.",
    registers,
  });
  const verificationFailures = new Counter({
    name: "dragonfly_dfdaemon_verification_failures_total",
    help: "Blobs whose bytes were not what their digest says; the client's connection was cut.",
    registers,
  });
  const failures = new Counter({
    name: "dragonfly_dfdaemon_failed_requests_total",
    help: "Requests, of blobs and all else, that got an error or no whole answer, by reason.",
    labelNames: ["reason"],
    registers,
  });
  for (const reason of FAILURES) failures.inc({ reason }, 0);
  const firstByte = new Histogram({
    name: "dragonfly_dfdaemon_first_byte_duration_seconds",
    help: "Seconds from the request of a blob that did not go straight to the source, to its first byte.",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  let status: () => PeerStatus | undefined = () => undefined;
  const gauge = (name: string, help: string, read: (status: PeerStatus) => number) =>
    new Gauge({
      name: `dragonfly_dfdaemon_${name}`,
      help,
      registers,
      collect() {
        const now = status();
        this.set(now ? read(now) : 0);
      },
    });
  gauge("active_tasks", "Files that are being fetched.", ({ downloads }) => downloads);
  gauge("cache_files", "Files in the cache, whole or in part.", ({ cachedFiles }) => cachedFiles);
  gauge("cache_size_bytes", "Bytes in the cache.", ({ cachedBytes }) => cachedBytes);
  let free: () => Promise<number> = async () => Number.NaN;
  new Gauge({
    name: "dragonfly_dfdaemon_cache_free_bytes",
    help: "Bytes free on the disk of the cache.",
    registers,
    async collect() {
      this.set(await free().catch(() => Number.NaN));
    },
  });
  let notReady: () => Promise<string | undefined> = async () => undefined;
  new Gauge({
    name: "dragonfly_dfdaemon_ready",
    help: "1 where /readyz answers 200; 0 where it says why blobs come straight from their registries.",
    registers,
    async collect() {
      this.set((await notReady()) === undefined ? 1 : 0);
    },
  });
  const expiry = new Gauge({
    name: "dragonfly_dfdaemon_certificate_expiry_timestamp_seconds",
    help: "When a certificate that dfdaemon uses expires, in seconds since the epoch.",
    labelNames: ["certificate"],
    registers,
  });
  return {
    registry,
    countBytes: (origin, count) => bytes.inc({ origin }, count),
    countFallback: (reason) => fallbacks.inc({ reason }),
    countServed: (count) => served.inc(count),
    countVerificationFailure() {
      verificationFailures.inc();
      failures.inc({ reason: "wrong_bytes" });
    },
    countFailure: (reason) => failures.inc({ reason }),
    observeFirstByte: (seconds) => firstByte.observe(seconds),
    watch(peer) {
      status = () => peer.status();
    },
    watchDisk(freeBytes) {
      free = freeBytes;
    },
    watchReadiness(why) {
      notReady = why;
    },
    showCertificates(chains) {
      expiry.reset();
      for (const [certificate, pem] of Object.entries(chains)) {
        if (pem) expiry.set({ certificate }, expiryOf(pem) / 1000);
      }
    },
  };
}
