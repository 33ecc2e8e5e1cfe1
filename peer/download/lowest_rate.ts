import { formatRate } from "../../protocol/rate.ts";
import { DownloadError } from "../contract.ts";
import { Deadline } from "./deadline.ts";

/** What v1 gives a download besides, milliseconds. */
const SPARE_MS = 10_000;

/** The rate that a file must come at. */
export interface LowestRate {
  /** Bytes a second that the whole file must come at, as v1's `--minrate` says; absent: any. */
  lowestRate?: number | undefined;
  /** Bytes a second that we take at most ourselves, now; 0: any number. */
  ownLimit(): number;
}

/**
 * Milliseconds that a file of so many bytes may take, as v1 counts them. A limit of our own is no fault of
 * those who send: where it is near the lowest rate, half of it has to do.
 */
export function longestMs(length: number, lowestRate: number, ownLimit: number): number {
  const rate = ownLimit > 0 ? Math.min(lowestRate, ownLimit / 2) : lowestRate;
  return (length / rate) * 1000 + SPARE_MS;
}

/** A way of bringing a file took longer than its lowest rate leaves it. */
export class TooSlowError extends DownloadError {
  override name = "TooSlowError";
}

/**
 * Goes one way of bringing a file, p2p or the source, for as long as its lowest rate leaves it. As in v1
 * each way has that time for itself, and a file whose length nobody knows all the time that it needs.
 *
 * @param way told by which signal it ends, and asked to say the file's length, bytes, once it knows
 * @throws {TooSlowError}
 */
export async function atLowestRate<Result>(
  { lowestRate, ownLimit }: LowestRate,
  outer: AbortSignal,
  way: (signal: AbortSignal, onLength: (length: number) => void) => Promise<Result>,
): Promise<Result> {
  if (!lowestRate) return way(outer, () => {});
  const startedMs = performance.now();
  let length = -1;
  const deadline = new Deadline(Number.POSITIVE_INFINITY, outer, () => leftMs());
  const leftMs = () =>
    length < 0
      ? Number.POSITIVE_INFINITY
      : startedMs + longestMs(length, lowestRate, ownLimit()) - performance.now();
  try {
    return await way(deadline.signal, (bytes) => {
      length = bytes;
      deadline.set(leftMs());
    });
  } catch (error) {
    if (!deadline.passed || outer.aborted) throw error;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    throw new TooSlowError(
      `slower than ${formatRate(lowestRate)} a second (--minrate): ${length} bytes were not here after ${seconds} s`,
    );
  } finally {
    deadline.clear();
  }
}
