import { collectDefaultMetrics, type Registry } from "prom-client";

/** The longest that a timer can be set to, ms. */
const NEVER_MS = 2 ** 31 - 1;
/** What the library tells of how late timers are, by a timer of its own. */
const BY_TIMER = ["min", "max", "mean", "stddev", "p50", "p90", "p99"];

/**
 * Adds the metrics of this process to a registry: `process_…` and `nodejs_…`.
 *
 * How late a process is (`nodejs_eventloop_lag_seconds`) is measured when it is asked for. The library's measure over
 * time is left out: an idle process is woken for it all the time, which takes more of the processor than all else that it
 * does then, and what it says includes the time between two wakings.
 */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  for (const name of BY_TIMER) registry.removeSingleMetric(`nodejs_eventloop_lag_${name}_seconds`);
}
