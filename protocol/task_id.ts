import { createHash } from "node:crypto";

/** What v1 puts before and after what it hashes (protocol §1, Task id). */
const KEY = ">I$pg-~AS~sP'rqu_`Oh&lz#9]\"=;nE%";

/** What tells one task from another. */
export interface TaskIdentity {
  /** The URL after `--filter` has removed its parameters. */
  taskUrl: string;
  /** md5 of the whole file, where the user gave one; wins over `identifier`. */
  md5?: string | undefined;
  /** Keeps tasks of the same URL apart. */
  identifier?: string | undefined;
  /** Request headers; only a key spelled exactly `Range` counts, as in v1. */
  headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * The id under which every node and the supernode know a file: 64 hex characters (protocol §1).
 *
 * @example
 * ```ts
 * taskId({ taskUrl: "http://127.0.0.1:18080/three" });
 * // "781f9c8d072b615f67cabcdab616211fa5711728fddad15395d7420553cf07a8"
 * ```
 */
export function taskId(identity: TaskIdentity): string {
  const sign = identity.md5 || identity.identifier || "";
  const range = identity.headers?.Range ?? "";
  return createHash("sha256")
    .update(KEY + identity.taskUrl + sign + range + KEY)
    .digest("hex");
}
