import { performance } from "node:perf_hooks";

/** For which part of the time this process has been at work of late. */
export class BusyShare {
  #loop = performance.eventLoopUtilization();
  #processor = process.cpuUsage();
  #sinceMs = performance.now();

  /**
   * Since the last call, or since this was made: 0 to 1. It is the event loop that counts, not the processor: one that
   * waits for its share of a processor is at work. Deno does not measure its loop; there it is the processor.
   */
  take(): number {
    const nowMs = performance.now();
    const loop = performance.eventLoopUtilization();
    const used = process.cpuUsage(this.#processor);
    const span = performance.eventLoopUtilization(loop, this.#loop);
    const spanMs = nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    this.#loop = loop;
    this.#processor = process.cpuUsage();
    if (span.idle + span.active > 0) return span.utilization;
    return Math.min(1, (used.user + used.system) / 1000 / Math.max(1, spanMs));
  }
}
