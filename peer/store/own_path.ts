import { PathKey, type PathKeyMessage } from "../../protocol/path_pass.ts";

/**
 * The path at which others ask for one of this node's files, and the key to it. The supernode has the key, and tells those
 * whom the source let in the path with a pass at its end, which expires: a path that somebody got hold of, or once was
 * told, opens nothing some minutes later.
 */
export class OwnPath {
  readonly path: string;
  /** Told when the path is {@link OwnPath.open}. */
  onOpen: () => void = () => {};
  readonly #key: PathKey;
  #isOpen = false;

  /**
   * @param nowMs of a clock that nobody sets
   * @param key where another process of this node has made it, base64url
   */
  constructor(path: string, nowMs: number, key?: string) {
    this.path = path;
    this.#key = key === undefined ? PathKey.make(nowMs) : PathKey.told({ key, ageMs: 0 }, nowMs);
  }

  /** What a supernode, or the peer server of this host, is told. */
  message(nowMs: number): PathKeyMessage {
    return this.#key.message(nowMs);
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
    return `${this.path}/${this.#key.pass(this.path, nowMs)}`;
  }

  /** Whether a pass is good, also where the supernode is a little ahead of us. */
  accepts(pass: string, nowMs: number): boolean {
    return this.#key.accepts(this.path, pass, nowMs, true);
  }
}
