/** What the thread is told. */
export type HashOrder =
  /** A file is to be hashed. */
  | { kind: "open"; id: number; path: string; algorithms: readonly string[] }
  /** So many of its first bytes are there. */
  | { kind: "reached"; id: number; bytes: number }
  /** What is there is all: its digests are wanted. */
  | { kind: "finish"; id: number }
  /** Nobody wants them any more. */
  | { kind: "close"; id: number };

/** What the thread says: the digests in hex, one for each algorithm, or why there are none. */
export type HashAnswer = { id: number; digests: string[] } | { id: number; error: string };

/**
 * The thread's program: hashes the files that it is told of, each as far as it is there, a stretch of each in turn.
 *
 * It is handed to the thread as text, so that each of our programs stays one file: it must use nothing from outside of
 * itself but globals.
 */
export function hashFiles(): void {
  const { parentPort } = process.getBuiltinModule("node:worker_threads");
  const { openSync, readSync, closeSync } = process.getBuiltinModule("node:fs");
  const { createHash } = process.getBuiltinModule("node:crypto");
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  const open = (path: string, algorithms: readonly string[]) => ({
    fd: openSync(path, "r"),
    hashes: algorithms.map((algorithm) => createHash(algorithm)),
    at: 0,
    end: 0,
    isAll: false,
  });
  const files = new Map<number, ReturnType<typeof open>>();
  const close = (id: number) => {
    const file = files.get(id);
    files.delete(id);
    if (file) closeSync(file.fd);
  };
  const answer = (message: HashAnswer) => {
    close(message.id);
    parentPort!.postMessage(message);
  };
  const orFail = (id: number, work: () => void) => {
    try {
      work();
    } catch (error) {
      answer({ id, error: (error as Error).message });
    }
  };
  let isAtWork = false;
  const step = () => {
    isAtWork = false;
    for (const [id, file] of files) {
      orFail(id, () => {
        const bytes = Math.min(buffer.length, file.end - file.at);
        const read = bytes > 0 ? readSync(file.fd, buffer, 0, bytes, file.at) : 0;
        if (read < bytes && read === 0) throw new Error(`it ends at byte ${file.at}`);
        for (const hash of file.hashes) hash.update(buffer.subarray(0, read));
        file.at += read;
        if (file.at < file.end) work();
        else if (file.isAll) answer({ id, digests: file.hashes.map((hash) => hash.digest("hex")) });
      });
    }
  };
  /** A turn later: what has been said meanwhile is heard first. */
  const work = () => {
    if (!isAtWork) setImmediate(step);
    isAtWork = true;
  };
  parentPort!.on("message", (order: HashOrder) => {
    const { id } = order;
    const file = files.get(id);
    if (order.kind === "open") orFail(id, () => files.set(id, open(order.path, order.algorithms)));
    else if (order.kind === "close") close(id);
    else if (file && order.kind === "reached") file.end = order.bytes;
    else if (file) file.isAll = true;
    work();
  });
}
