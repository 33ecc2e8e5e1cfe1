import { type Digest, formatDigest } from "../../protocol/digest.ts";
import type { HashedStart } from "../contract.ts";
import type { TaskFile } from "../store/task_file.ts";
import { DigestBeside } from "./digest_beside.ts";
import { RunningDigest } from "./running_digest.ts";

/** What a file must hash to; nothing where nobody knows. */
export interface ExpectedDigests {
  digest?: Digest | undefined;
  /** In hex. */
  md5?: string | undefined;
}

export interface WholeFileCheckOptions extends ExpectedDigests {
  /** Files of so many bytes and more are hashed by a thread beside the event loop; absent: none. */
  besideFrom?: number | undefined;
}

/** Whether a file is what it should be: hashed while its pieces come in, and compared when all are here. */
export class WholeFileCheck {
  readonly #expected: WholeFileCheckOptions;
  #running: RunningDigest | DigestBeside | undefined;

  constructor(expected: WholeFileCheckOptions) {
    this.#expected = expected;
  }

  /** Whether anybody knows what the file must hash to. */
  get isPossible(): boolean {
    return this.#expected.digest !== undefined || this.#expected.md5 !== undefined;
  }

  /** A piece of the file has been written; without its content it is read back when its turn comes. */
  offer(file: TaskFile, piece: number, content?: Uint8Array): void {
    this.#of(file)?.offer(piece, content);
  }

  /** A piece that was written is taken back. */
  lose(piece: number): void {
    // What has been hashed cannot be taken back: all is read again in the end.
    if ((this.#running?.next ?? 0) > piece) this.restart();
  }

  /** It is another file, or its pieces come once more. */
  restart(): void {
    this.close();
    this.#running = undefined;
  }

  /** No piece comes any more. */
  close(): void {
    if (this.#running instanceof DigestBeside) this.#running.close();
  }

  /** What is here of a file's first bytes, hashed; `undefined` where nobody knows its digest. */
  async start(file: TaskFile): Promise<HashedStart | undefined> {
    const { digest } = this.#expected;
    return digest && this.#of(file)?.start(digest.algorithm);
  }

  /** How a file whose pieces are all here is not what it should be; `undefined` where it is, or nobody knows. */
  async mismatch(file: TaskFile): Promise<string | undefined> {
    const digests = await this.#of(file)?.digests();
    const { digest, md5 } = this.#expected;
    const sha256 = digests?.get("sha256");
    if (digest && sha256 !== digest.hex) {
      return `the bytes are sha256:${sha256}, not ${formatDigest(digest)}`;
    }
    const real = digests?.get("md5");
    if (md5 && real !== md5.toLowerCase()) return `the bytes have md5 ${real}, not ${md5}`;
    return undefined;
  }

  #of(file: TaskFile): RunningDigest | DigestBeside | undefined {
    if (!this.isPossible) return undefined;
    const { digest, md5, besideFrom = Number.POSITIVE_INFINITY } = this.#expected;
    const algorithms = [...(digest ? [digest.algorithm] : []), ...(md5 ? ["md5"] : [])];
    const Running = file.layout.length >= besideFrom ? DigestBeside : RunningDigest;
    this.#running ??= new Running(file, algorithms);
    return this.#running;
  }
}
