import type { FilePart, OpenFile, PeerOptions } from "../contract.ts";
import type { CatalogEntry } from "../store/catalog.ts";
import type { TaskFile } from "../store/task_file.ts";
import { orderedStream } from "./ordered_stream.ts";
import type { ReaderBuffers } from "./reader_buffers.ts";
import { RunningDigest } from "./running_digest.ts";

/**
 * A complete file of this node's cache, for its own clients; it does not expire while they read it.
 *
 * @param onDamaged told where it turns out not to be on disk what it was
 */
export function openCachedFile(
  entry: CatalogEntry,
  file: TaskFile,
  buffers: ReaderBuffers,
  onBytes: PeerOptions["onBytes"],
  onDamaged: () => void,
): OpenFile {
  const { length } = file.layout;
  return {
    taskId: entry.taskId,
    length,
    stream: (range?: FilePart) => {
      entry.users += 1;
      entry.touchedMs = Date.now();
      onBytes?.("cache", range ? range.end - range.start + 1 : length);
      const complete = {
        file: Promise.resolve(file),
        state: "complete" as const,
        error: undefined,
        verifies: false,
        lost: [],
        changed: () => Promise.resolve(),
        onDamaged,
      };
      return orderedStream(complete, range, buffers, () => {
        entry.users -= 1;
        entry.touchedMs = Date.now();
      });
    },
    giveBack: (chunk) => buffers.give(chunk),
    quietMs: () => Number.POSITIVE_INFINITY,
    hashedStart: () => Promise.resolve(undefined),
    done: Promise.resolve({
      length,
      reason: 0,
      seconds: 0,
      bytes: { peer: 0, supernode: 0, registry: 0, cache: length },
    }),
  };
}

/** Whether a file on disk still has the bytes that its digest says. */
export async function matchesDigest(file: TaskFile, sha256: string): Promise<boolean> {
  try {
    // Before it is read, so that a change meanwhile is seen.
    await file.seal();
    const startedMs = performance.now();
    const isRight = (await new RunningDigest(file, ["sha256"]).digests()).get("sha256") === sha256;
    if (isRight) file.foundRight(startedMs);
    return isRight;
  } catch {
    return false;
  }
}

/** Bytes of a file that are here. */
export function heldBytes(file: TaskFile): number {
  if (file.complete) return file.layout.length;
  return file.held.size * file.layout.pieceSize;
}
