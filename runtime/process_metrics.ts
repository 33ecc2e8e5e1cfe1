import { collectDefaultMetrics, type Registry } from "prom-client";

/**
 * How often it is looked whether the process keeps time, ms. By the library's 10 ms an idle process is woken 100 times
 * a second, which took more of the processor than all else that it does then.
 */
const LAG_EVERY_MS = 100;

/** Adds the metrics of this process to a registry: `process_…` and `nodejs_…`. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_EVERY_MS });
}
