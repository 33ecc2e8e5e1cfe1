import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import * as z from "zod";

/** A pass is good for at least this long after it was given, and for twice as long at most; ms. */
export const PASS_MS = 10 * 60_000;
/** Bytes of a pass: 192 bits. */
const PASS_BYTES = 24;
/** Bytes of a key, which nobody but those who give passes and those who take them know. */
const KEY_BYTES = 32;
/** Passes remembered at most: those of the periods in which one is good. A supernode has a key for each client. */
const MOST_MADE = 4;

/** A key as one program tells it another. */
export const pathKeySchema = z.object({
  /** base64url of {@link KEY_BYTES}. */
  key: z.string().regex(/^[\w-]{43}$/),
  /** How long ago it was made, ms: both sides count periods from then on, by clocks of their own. */
  ageMs: z.number().min(0),
});
export type PathKeyMessage = z.infer<typeof pathKeySchema>;

/**
 * The key by which passes are made that stand at the end of a path, and expire: in each period of {@link PASS_MS} there is
 * another. It hides itself from JSON: who has it gives himself passes.
 *
 * All times are ms of a clock that nobody sets.
 */
export class PathKey {
  readonly #key: Uint8Array;
  readonly #bornMs: number;
  /** Passes made of late: with each block that a peer asks for it shows the same one. */
  readonly #made = new Map<string, string>();

  private constructor(key: Uint8Array, bornMs: number) {
    this.#key = key;
    this.#bornMs = bornMs;
  }

  /** A new key. */
  static make(nowMs: number): PathKey {
    return new PathKey(randomBytes(KEY_BYTES), nowMs);
  }

  /** The key that another program has told. */
  static told({ key, ageMs }: PathKeyMessage, nowMs: number): PathKey {
    return new PathKey(Buffer.from(key, "base64url"), nowMs - ageMs);
  }

  message(nowMs: number): PathKeyMessage {
    return {
      key: Buffer.from(this.#key).toString("base64url"),
      ageMs: Math.max(0, Math.round(nowMs - this.#bornMs)),
    };
  }

  /** The pass to `what` that is given now. */
  pass(what: string, nowMs: number): string {
    return this.#passOf(what, this.#period(nowMs));
  }

  /**
   * Whether a pass to `what` is good.
   *
   * @param alsoNext whether the next period's is: who gives passes may be a little ahead of us
   */
  accepts(what: string, pass: string, nowMs: number, alsoNext = false): boolean {
    const given = Buffer.from(pass);
    const now = this.#period(nowMs);
    return [now, now - 1, ...(alsoNext ? [now + 1] : [])].some((period) => {
      const right = Buffer.from(this.#passOf(what, period));
      return given.byteLength === right.byteLength && timingSafeEqual(given, right);
    });
  }

  toJSON(): string {
    return "(hidden)";
  }

  #period(nowMs: number): number {
    return Math.floor((nowMs - this.#bornMs) / PASS_MS);
  }

  #passOf(what: string, period: number): string {
    const text = `${period} ${what}`;
    const made = this.#made.get(text);
    if (made !== undefined) return made;
    const mac = createHmac("sha256", this.#key).update(text).digest();
    const pass = mac.subarray(0, PASS_BYTES).toString("base64url");
    if (this.#made.size >= MOST_MADE) this.#made.clear();
    this.#made.set(text, pass);
    return pass;
  }
}
