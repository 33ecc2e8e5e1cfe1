import { randomBytes } from "node:crypto";
import { isPassTo, PASS_KEY_BYTES, passPeriod, passTo } from "../../protocol/path_pass.ts";
import type { PathKeyMessage } from "../../protocol/v1/register.ts";

/**
 * The path at which others ask for one of this node's files, and the key to it. The supernode has the key, and tells those
 * whom the source let in the path with a pass at its end, which expires: a path that somebody got hold of, or once was
 * told, opens nothing some minutes later.
 */
export class OwnPath {
  readonly path: string;
  /** Told when the path is {@link OwnPath.open}. */
  onOpen: () => void = () => {};
  readonly #key: Uint8Array;
  readonly #bornMs: number;
  #isOpen = false;

  /**
   * @param nowMs of a clock that nobody sets
   * @param key where another process of this node has made it, base64url
   */
  constructor(path: string, nowMs: number, key?: string) {
    this.path = path;
    this.#key = key === undefined ? randomBytes(PASS_KEY_BYTES) : Buffer.from(key, "base64url");
    this.#bornMs = nowMs;
  }

  /** What a supernode, or the peer server of this host, is told. */
  message(nowMs: number): PathKeyMessage {
    return {
      key: Buffer.from(this.#key).toString("base64url"),
      ageMs: Math.max(0, Math.round(nowMs - this.#bornMs)),
    };
  }

  /** Whether it opens without a pass. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** A supernode of v1 tells others the path without a pass: from now on it needs none, as in v1. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.onOpen();
  }

  /** The path with the pass of the moment: for one who is asked to ask back. */
  told(nowMs: number): string {
    if (this.#isOpen) return this.path;
    return `${this.path}/${passTo(this.path, this.#key, passPeriod(nowMs - this.#bornMs))}`;
  }

  /** Whether a pass is good, also where the supernode is a little ahead of us. */
  accepts(pass: string, nowMs: number): boolean {
    const period = passPeriod(nowMs - this.#bornMs);
    return isPassTo(this.path, pass, this.#key, [period, period - 1, period + 1]);
  }
}
