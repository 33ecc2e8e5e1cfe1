import { contentSize, pieceCount } from "../../protocol/piece_range.ts";
import { type FilePart, WrongDigestError } from "../contract.ts";
import type { TaskFile } from "../store/task_file.ts";
import { type AwaitedBlocks, NONE_AWAITED } from "./awaited_blocks.ts";
import type { EarlyBytes } from "./early_bytes.ts";
import type { ReaderBuffers } from "./reader_buffers.ts";

/** A file that may still be growing, as a reader sees it. */
export interface Growing {
  /** The file once its layout is known. */
  readonly file: Promise<TaskFile>;
  readonly state: "running" | "complete" | "failed";
  readonly error: Error | undefined;
  /** Whether the end of the file is told only after it has been verified. */
  readonly verifies: boolean;
  /** Pieces that turned out wrong after one could read them; it only grows. */
  readonly lost: readonly number[];
  /** What readers may have before their first piece is whole; absent: nothing. */
  readonly early?: EarlyBytes | undefined;
  /** Told what readers wait for; absent: all comes in its own order. */
  readonly awaited?: AwaitedBlocks | undefined;
  /** Resolves when a piece has come or the state has changed. */
  changed(): Promise<void>;
  /** Told where the file is not on disk what it was. */
  onDamaged?: (() => void) | undefined;
}

/**
 * A file's bytes in order, beginning with the first piece rather than after the last one. Pieces come
 * from the file (from the page cache, as a rule), at the pace at which the reader takes them.
 *
 * The last piece is held back until the file has been verified, but from who wants a part by itself: a file that turns
 * out wrong is never handed out whole.
 *
 * @param buffers of all the node's readers, to be given each chunk back that has been read
 * @param onEnd called once, when all has been read, the reader has left or the file failed
 */
export function orderedStream(
  growing: Growing,
  range: FilePart | undefined,
  buffers: ReaderBuffers,
  onEnd: () => void,
): ReadableStream<Uint8Array> {
  let at = range?.start ?? 0;
  let ended = false;
  const leave = buffers.enter();
  const waiting = growing.awaited?.enter();
  let hasWaited = false;
  const first = at;
  let lostSeen = growing.lost.length;
  /** @throws where this reader has been handed a piece that turned out wrong */
  const checkLost = (size: number) => {
    for (; lostSeen < growing.lost.length; lostSeen++) {
      const piece = growing.lost[lostSeen]!;
      if (piece * size < at && (piece + 1) * size > first)
        throw new WrongDigestError(`piece ${piece} turned out wrong after it was handed out`);
    }
  };
  const end = () => {
    if (ended) return;
    ended = true;
    leave();
    if (waiting) growing.awaited?.leave(waiting);
    onEnd();
  };
  /** A chunk of what has come of the reader's first piece, where that is not whole. */
  const early = (piece: number, size: number, last: number): Uint8Array | undefined => {
    if (!growing.early || piece !== Math.floor(first / size)) return undefined;
    growing.early.want(piece);
    const offset = at - piece * size;
    const bytes = Math.min(growing.early.filled(piece) - offset, last + 1 - at);
    if (bytes <= 0) return undefined;
    const chunk = buffers.take(bytes);
    growing.early.readInto(chunk, piece, offset);
    return chunk;
  };
  /** How far one may read now, or a chunk that is not in the file yet; waits for more than `at` or the end. */
  const readable = async (file: TaskFile): Promise<number | Uint8Array> => {
    for (;;) {
      const change = growing.changed();
      if (growing.state === "failed") throw growing.error;
      const { layout } = file;
      checkLost(contentSize(layout));
      const last =
        range?.end ?? (layout.length >= 0 ? layout.length - 1 : Number.POSITIVE_INFINITY);
      if (growing.state === "complete") return Math.min(last, layout.length - 1) + 1;
      const size = contentSize(layout);
      const piece = Math.floor(at / size);
      // With an unknown length any piece may be the last one, and short: wait for its successor.
      const isLast =
        layout.length < 0
          ? !file.has(piece + 1)
          : growing.verifies && !range?.apart && piece === pieceCount(layout) - 1;
      if (at <= last && !isLast) {
        if (file.has(piece)) return Math.min((piece + 1) * size, last + 1);
        const chunk = early(piece, size, last);
        if (chunk) return chunk;
      }
      if (layout.length >= 0 && at > last) return at;
      if (waiting) {
        const begins = !hasWaited && piece > 0;
        hasWaited = true;
        waiting.block = piece;
        if (begins) growing.awaited?.onBegin(piece);
      }
      await change;
      if (waiting) waiting.block = NONE_AWAITED;
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const file = await growing.file;
          const until = await readable(file);
          if (ended) return;
          if (typeof until !== "number") {
            at += until.byteLength;
            controller.enqueue(until);
            return;
          }
          if (until <= at) {
            end();
            controller.close();
            return;
          }
          const chunk = buffers.take(until - at);
          await file.readInto(chunk, at);
          if (growing.state === "complete" && !(await file.isIntact(at, chunk.byteLength))) {
            growing.onDamaged?.();
            // What was handed out before is right: whoever reads may go on elsewhere.
            throw new Error(`${file.path} is damaged on disk`);
          }
          at += chunk.byteLength;
          if (growing.state === "complete" && at === until && (await file.isTamperedWith()))
            throw new WrongDigestError(`${file.path} was changed on disk while it was read`);
          if (!ended) controller.enqueue(chunk);
        } catch (error) {
          end();
          controller.error(error);
        }
      },
      cancel() {
        end();
      },
    },
    { highWaterMark: buffers.ahead },
  );
}
