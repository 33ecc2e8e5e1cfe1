import { Counter, Gauge, Registry } from "prom-client";
import type { Origin } from "../peer/mod.ts";
import { expiryOf, type KeyPair } from "../runtime/certificates.ts";
import { goArchitecture, runtimeName, VERSION } from "../runtime/version.ts";

/** Why a blob that should have come by p2p went straight to the source. */
export type FallbackReason =
  | "no_peer"
  | "source_refused"
  | "source_unreachable"
  | "no_length"
  | "empty"
  | "open_failed"
  | "open_timeout"
  | "length_differs"
  | "stream_failed";

/** What dfdaemon counts, one set an instance. */
export interface ProxyMetrics {
  registry: Registry;
  countBytes(origin: Origin, bytes: number): void;
  countFallback(reason: FallbackReason): void;
  /** Says what certificates are in use, each by the key of the configuration that names it. */
  showCertificates(pairs: Readonly<Record<string, KeyPair | undefined>>): void;
}

export function createMetrics(): ProxyMetrics {
  const registry = new Registry();
  const registers = [registry];
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
    showCertificates(pairs) {
      expiry.reset();
      for (const [certificate, pair] of Object.entries(pairs)) {
        if (pair) expiry.set({ certificate }, expiryOf(pair.cert) / 1000);
      }
    },
  };
}
