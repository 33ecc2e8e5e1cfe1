import { createHmac, timingSafeEqual } from "node:crypto";

/** A pass is good for at least this long after it was given, and for twice as long at most; ms. */
export const PASS_MS = 10 * 60_000;
/** Bytes of a pass: 192 bits. */
const PASS_BYTES = 24;
/** Bytes of a key, which nobody but those who give passes and those who take them know. */
export const PASS_KEY_BYTES = 32;

/** The stretch of time that something belongs to which is so old, ms: in each another pass is given. */
export function passPeriod(ageMs: number): number {
  return Math.floor(ageMs / PASS_MS);
}

/** The pass to `what` that is given in a period. */
export function passTo(what: string, key: Uint8Array, period: number): string {
  const mac = createHmac("sha256", key).update(`${period} ${what}`).digest();
  return mac.subarray(0, PASS_BYTES).toString("base64url");
}

/** Whether a pass to `what` was given in one of these periods. */
export function isPassTo(
  what: string,
  given: string,
  key: Uint8Array,
  periods: readonly number[],
): boolean {
  const bytes = Buffer.from(given);
  return periods.some((period) => {
    const right = Buffer.from(passTo(what, key, period));
    return bytes.byteLength === right.byteLength && timingSafeEqual(bytes, right);
  });
}
