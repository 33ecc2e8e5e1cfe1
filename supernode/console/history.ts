import type { Point } from "./messages.ts";

/** An hour, in steps of five seconds. */
export const HISTORY_POINTS = 720;
export const HISTORY_STEP_MS = 5000;

/** The last points of a curve: as many as fit, the oldest one makes room for the newest. */
export class History {
  readonly #points: Point[] = [];
  readonly #size: number;
  #first = 0;

  /** @param size how many points are kept */
  constructor(size = HISTORY_POINTS) {
    this.#size = size;
  }

  add(point: Point): void {
    if (this.#points.length < this.#size) this.#points.push(point);
    else {
      this.#points[this.#first] = point;
      this.#first = (this.#first + 1) % this.#size;
    }
  }

  /** All points in the order in which they came, or those after a moment (ms since the epoch). */
  after(atMs = Number.NEGATIVE_INFINITY): Point[] {
    const points = [...this.#points.slice(this.#first), ...this.#points.slice(0, this.#first)];
    return points.filter(([ms]) => ms > atMs);
  }
}
