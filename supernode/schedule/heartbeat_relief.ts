/** How long a measurement takes, about, ms. */
export const MEASURE_MS = 1000;
/** Part of a core that the supernode is to be busy for at most, so that who comes is soon answered. */
const AIM = 0.6;
/** Reports a second that are no burden: with no more of them it is busy with something else. */
const LIGHT_REPORTS = 500;
/** Reports come so many times as seldom as usual, at most. */
const MOST_FACTOR = 4;
/** How fast a measurement tells: what it changes is seen only when members have reported once more. */
const RISE = 0.3;
const FALL = 0.1;
/** The factor of a second in which reports are no burden. */
const RECOVERY = 0.75;

/**
 * How much less often than usual the members of all swarms report, since this supernode is busy. How many reports a
 * machine bears is known only there, and only while it bears them. Pure.
 */
export class HeartbeatRelief {
  #factor = 1;

  /** Times as long as usual between heartbeats; 1 or more. */
  get factor(): number {
    return this.#factor;
  }

  /**
   * Notes a stretch of time, of about {@link MEASURE_MS}.
   *
   * @param busy the part of it for which this process was at work, 0 to 1
   * @param reports of members, a second
   */
  measured(busy: number, reports: number): void {
    const isBurden = reports > LIGHT_REPORTS;
    const change = isBurden ? (busy / AIM) ** (busy > AIM ? RISE : FALL) : RECOVERY;
    this.#factor = Math.min(MOST_FACTOR, Math.max(1, this.#factor * change));
  }
}
