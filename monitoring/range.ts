/** Which values are worth an alert, as thresholds of the Monitoring Plugins say it. */
export interface AlertRange {
  /** As it was written; goes into the performance data. */
  text: string;
  alerts(value: number): boolean;
}

const FORM = /^(@?)(?:(~|-?\d+(?:\.\d+)?)?(:))?(-?\d+(?:\.\d+)?)?$/;

/**
 * Reads a threshold (Monitoring Plugins Development Guidelines, "Threshold and Ranges"): `10` alerts below 0 and
 * above 10, `10:` below 10, `~:10` above 10, `10:20` outside of it, `@10:20` inside, both ends included.
 *
 * @throws {Error} saying what was expected
 */
export function parseRange(text: string): AlertRange {
  const [, inside, low, colon, high] = FORM.exec(text) ?? [];
  if (high === undefined && (colon === undefined || low === undefined)) {
    throw new Error(`"${text}" is no range: expected such as 10, 10:, ~:10, 10:20 or @10:20`);
  }
  const start = low === "~" ? -Infinity : Number(low ?? 0);
  const end = high === undefined ? Infinity : Number(high);
  if (start > end) throw new Error(`"${text}" is no range: ${start} is more than ${end}`);
  return {
    text,
    alerts: (value) => (value >= start && value <= end) === (inside === "@"),
  };
}
