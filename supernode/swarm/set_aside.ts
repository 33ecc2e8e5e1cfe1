import { wireRange } from "../../protocol/piece_range.ts";
import { type BlockRun, rangeRun, runRange } from "../../protocol/swarm/blocks.ts";
import type { TaskReport } from "../../protocol/swarm/messages.ts";
import type { SwarmTask } from "../schedule/swarm_task.ts";
import type { TaskSchedule } from "../schedule/v1/task_schedule.ts";
import { type Client, type Task, taskPieceCount } from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";

export interface SetAsideOptions {
  store: TaskStore;
  schedules: ReadonlyMap<string, TaskSchedule>;
  /** A clock that nobody sets, ms. */
  steadyNow: () => number;
  swarm: SwarmTask;
}

/** A piece of one of a swarm's tasks, and the swarm's blocks that it is made of. */
interface AsidePiece extends BlockRun {
  readonly taskId: string;
  readonly piece: number;
  readonly sinceMs: number;
}

/** A v1 client that fetches a piece is waited for so long, ms: it may be slower than all others. */
const PATIENCE_MS = 8000;

/**
 * What v1 clients have or fetch of a swarm's file (CDN pattern `source`): its members do not fetch that
 * from the source a second time, but wait until it has come, and get it from there.
 *
 * To be filled when v1 clients are about to be kept off the source: from then on they fetch nothing
 * more there, and are sent to the members for what is missing.
 */
export class SetAside {
  readonly #options: SetAsideOptions;
  #pieces: AsidePiece[] = [];

  constructor(options: SetAsideOptions) {
    this.#options = options;
  }

  /** Sets aside what the v1 clients of a task have or fetch. */
  fill(task: Task): void {
    for (let piece = 0; piece < (taskPieceCount(task) ?? 0); piece++) {
      if (!this.#whereIs(task.id, piece)) continue;
      const sinceMs = this.#options.steadyNow();
      const aside = { taskId: task.id, piece, sinceMs, ...blocksOfPiece(piece, task) };
      if (this.#options.swarm.open.setAside(aside)) this.#pieces.push(aside);
    }
  }

  /** Has the members fetch what has come, and what will not come after all. To be called now and then. */
  look(): void {
    if (this.#pieces.length === 0) return;
    this.#pieces = this.#pieces.filter((aside) => {
      const { swarm, steadyNow } = this.#options;
      const where = this.#whereIs(aside.taskId, aside.piece);
      if (where === "coming" && steadyNow() - aside.sinceMs < PATIENCE_MS) return true;
      swarm.open.put(aside, where === "coming" ? undefined : where?.cid);
      return false;
    });
  }

  /** The v1 client that has a piece. */
  client(cid: string, taskIds: Iterable<string>): Client | undefined {
    for (const taskId of taskIds) {
      const client = this.#options.store.client(taskId, cid);
      if (client) return client;
    }
    return undefined;
  }

  /**
   * A member reports; to be heard before the swarm hears the same. Where a v1 client has not given it a
   * piece, that one is not known to have it any more.
   */
  heard({ cid, leases }: TaskReport, taskIds: Iterable<string>): void {
    const { swarm, store, schedules, steadyNow } = this.#options;
    for (const { id, failed } of leases) {
      const lease = failed ? swarm.leasesOf(cid).find((one) => one.id === id) : undefined;
      if (lease?.origin.kind !== "peer") continue;
      const { first, count } = lease;
      const v1 = this.client(lease.origin.cid, taskIds);
      const task = v1 && store.task(v1.taskId);
      const piece = task ? Math.floor(runRange(lease, task.length).start / task.pieceSize) : 0;
      if (v1) schedules.get(v1.taskId)?.pieceLost(v1.cid, piece);
      this.#pieces.push({ taskId: task?.id ?? "", piece, sinceMs: steadyNow(), first, count });
    }
  }

  #whereIs(taskId: string, piece: number) {
    const { schedules, swarm, steadyNow } = this.#options;
    return schedules.get(taskId)?.whereIs(piece, (cid) => !swarm.has(cid), steadyNow());
  }
}

/** The blocks of a bare piece, which begins and ends with blocks. */
function blocksOfPiece(piece: number, { pieceSize, length }: Task): BlockRun {
  const { start, end } = wireRange(piece, pieceSize);
  return rangeRun({ start, end: Math.min(end, length - 1) }, length)!;
}
