import { BusyShare } from "../../runtime/busy_share.ts";
import { HeartbeatRelief, MEASURE_MS } from "../schedule/heartbeat_relief.ts";

/** What the members' reports cost this supernode, and how much less often they are to come for that. */
export class ReportLoad {
  readonly relief = new HeartbeatRelief();
  readonly #busy = new BusyShare();
  #reports = 0;
  #sinceMs = performance.now();

  /** A member has reported. */
  reported(): void {
    this.#reports += 1;
  }

  /** Measures, where it is time to; to be called now and then. */
  look(): void {
    const spanMs = performance.now() - this.#sinceMs;
    if (spanMs < MEASURE_MS) return;
    this.relief.measured(this.#busy.take(), (this.#reports / spanMs) * 1000);
    this.#reports = 0;
    this.#sinceMs += spanMs;
  }
}
