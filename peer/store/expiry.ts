/** What expiry looks at in a file. */
export interface Ageing {
  /** Needed right now. */
  users: number;
  /** ms since the epoch. */
  lastUseMs: number;
}

/** v1's defaults (protocol §2): a file goes 3 minutes after its last use, the server after 5. */
export const EXPIRE_MS = 3 * 60_000;
export const ALIVE_MS = 5 * 60_000;

/** The files that nobody has used for `expireMs`. */
export function expired<File extends Ageing>(
  files: Iterable<File>,
  nowMs: number,
  expireMs: number,
): File[] {
  return [...files].filter((file) => file.users === 0 && nowMs - file.lastUseMs >= expireMs);
}
