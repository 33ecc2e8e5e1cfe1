import { pieceCount } from "../../protocol/piece_range.ts";
import type { TaskSchedule } from "../schedule/v1/task_schedule.ts";
import { type Task, taskLayout } from "../tasks/task.ts";
import { readPieces } from "./read_pieces.ts";

/**
 * What a member of our swarm has that v1 clients of the same task can be sent to it for. Each piece is
 * told to v1's schedule once.
 */
export class ToldPieces {
  readonly #told = new Set<number>();

  /**
   * Tells what is new.
   *
   * @param pieces a bitmap in base64; `all` where the member has the whole file
   */
  tell(
    pieces: string | "all",
    of: { cid: string; task: Task; schedule: TaskSchedule },
    nowMs: number,
  ): void {
    const { cid, task, schedule } = of;
    const layout = taskLayout(task);
    const count = pieceCount(layout);
    if (this.#told.size === count) return;
    for (const piece of pieces === "all" ? Array(count).keys() : readPieces(pieces, count)) {
      // A v1 client checks framed pieces by their sums, which only our own copy tells.
      if (this.#told.has(piece) || (layout.framed && !task.pieceSums[piece])) continue;
      this.#told.add(piece);
      schedule.succeeded(cid, piece, true, nowMs);
    }
  }
}
