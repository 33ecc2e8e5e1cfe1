/** Versions that builds of v1.0.6 may have: built with a version string, and without (as recorded). */
const KNOWN = ["", "1.0.6"];

/** Names whose last answer is remembered at most; a v1 client asks again within a second or two. */
const REMEMBERED = 1000;

/**
 * The version that the peer server gives in `/check`. A v1 client shares only a server of the very
 * version it has itself, and does not say which that is. But it asks again for the same file where the
 * answer did not please it, after it has found the port taken: the second answer is another version, which
 * is then the first answer for all others. Our own clients take any.
 */
export class V1Version {
  #candidates = [...KNOWN];
  readonly #asked = new Set<string>();

  /** The version to give to whoever announces this file. */
  answer(taskFileName: string): string {
    if (this.#asked.delete(taskFileName)) this.#candidates.push(this.#candidates.shift()!);
    else this.#asked.add(taskFileName);
    if (this.#asked.size > REMEMBERED) this.#asked.clear();
    return this.#candidates[0]!;
  }

  /** Learns of a version from the `User-Agent` of a v1 client, `dfget/<version>`; others are called so, too. */
  heard(userAgent: string | undefined): void {
    const version = /^dfget\/(v?1\.0\.[\w.+~-]{1,40})$/.exec(userAgent ?? "")?.[1];
    if (version === undefined || this.#candidates.includes(version)) return;
    this.#candidates = [version, ...KNOWN];
  }
}
