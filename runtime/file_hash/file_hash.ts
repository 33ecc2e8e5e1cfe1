import { Worker } from "node:worker_threads";
import { type HashAnswer, type HashOrder, hashFiles } from "./hash_files.ts";

/** Milliseconds for which the thread is kept when no file is hashed: it holds some 10 MB. */
const IDLE_MS = 1000;

interface Waiting {
  resolve(digests: string[]): void;
  reject(error: Error): void;
}

/** The one thread of this process that hashes files, while there are any. */
let thread: Worker | undefined;
let idle: NodeJS.Timeout | undefined;
let lastId = 0;
/** Whoever waits for the digests of a file, by its number; `undefined` as long as it grows. */
const files = new Map<number, Waiting | undefined>();

/**
 * The digests of a file that is being written, by another thread, which reads it back as it grows: that is another
 * processor's work, and the event loop need not wait for it. What was written a moment ago is in the system's memory.
 *
 * @example
 * ```ts
 * const hash = new FileHash("/srv/file", ["sha256"]);
 * hash.reached(1024);
 * const [sha256] = await hash.digests();
 * ```
 */
export class FileHash {
  readonly #id = ++lastId;

  /** @param algorithms as `node:crypto` calls them */
  constructor(path: string, algorithms: readonly string[]) {
    files.set(this.#id, undefined);
    this.#tell({ kind: "open", id: this.#id, path, algorithms });
  }

  /** So many of the file's first bytes are there, and stay as they are. */
  reached(bytes: number): void {
    this.#tell({ kind: "reached", id: this.#id, bytes });
  }

  /**
   * The digests of all bytes that were {@link reached}, in hex, one for each algorithm. To be asked once.
   *
   * @throws where the file cannot be read, ends before, or is closed
   */
  digests(): Promise<string[]> {
    return new Promise((resolve, reject) => {
      if (!files.has(this.#id)) return reject(new Error("it is hashed no more"));
      files.set(this.#id, { resolve, reject });
      this.#tell({ kind: "finish", id: this.#id });
      thread?.ref();
    });
  }

  /** Its digests are not wanted any more. */
  close(): void {
    this.#tell({ kind: "close", id: this.#id });
    settle({ id: this.#id, error: "it is closed" });
  }

  #tell(order: HashOrder): void {
    if (!files.has(this.#id)) return;
    clearTimeout(idle);
    thread ??= startThread();
    thread.postMessage(order);
  }
}

function startThread(): Worker {
  const program = `(${hashFiles.toString()})()`;
  const started = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  started.unref();
  started.on("message", settle);
  started.on("error", (error) => {
    if (thread === started) thread = undefined;
    for (const id of [...files.keys()]) settle({ id, error: error.message });
  });
  return started;
}

function settle(answer: HashAnswer): void {
  const waiting = files.get(answer.id);
  files.delete(answer.id);
  if ("digests" in answer) waiting?.resolve(answer.digests);
  else waiting?.reject(new Error(answer.error));
  if (![...files.values()].some(Boolean)) thread?.unref();
  clearTimeout(idle);
  if (files.size === 0) idle = setTimeout(stopThread, IDLE_MS).unref();
}

function stopThread(): void {
  void thread?.terminate();
  thread = undefined;
}
