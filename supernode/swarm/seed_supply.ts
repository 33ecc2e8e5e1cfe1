import { contentSize } from "../../protocol/piece_range.ts";
import { BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import type { SwarmTask } from "../schedule/swarm_task.ts";
import { type ReadAhead, readAheadBytes } from "../seed/read_ahead.ts";
import { hasFailed, type Task, taskLayout } from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";

/** As many members as this must fail to fetch from our copy before all go to the source. */
const ENOUGH_REFUSALS = 3;

/**
 * Where a swarm's blocks come from first: from the supernode's own copy of one of the tasks that lead to
 * the file, as far as that has come, or where there is none from the source.
 */
export class SeedSupply {
  readonly #store: TaskStore;
  readonly #swarm: SwarmTask;
  readonly #readAhead: ReadAhead | undefined;
  #taskId: string | undefined;
  /** Begun anew, a copy would ask the source for what the members are fetching there. */
  #given: boolean;

  /**
   * @param readAhead absent: the copy may be as far ahead of the members as it likes
   * @param isHeld members hold much of the file already: a copy would ask the source for all of it again
   */
  constructor(
    store: TaskStore,
    swarm: SwarmTask,
    readAhead: ReadAhead | undefined,
    isHeld: boolean,
  ) {
    this.#store = store;
    this.#swarm = swarm;
    this.#readAhead = readAhead;
    this.#given = isHeld;
  }

  /** The task whose copy it is. */
  get task(): Task | undefined {
    return this.#taskId === undefined ? undefined : this.#store.task(this.#taskId);
  }

  /** A task of the file: its copy is used where there is one, or (CDN pattern `local`) will be soon. */
  offer(task: Task): void {
    if (this.#given || this.task) return;
    if (task.cdnSource === "supernode") {
      // It is made anew where it failed for an earlier swarm.
      if (hasFailed(task)) task.cdnStatus = "WAITING";
    } else if (task.cdnStatus !== "RUNNING" && task.cdnStatus !== "SUCCESS") return;
    this.#taskId = task.id;
  }

  /**
   * Tells the swarm how far the copy has come, or that there is none any more.
   *
   * @param downloading how many members have not got everything
   */
  update(blocks: number, downloading: number, nowMs: number): void {
    const { task } = this;
    const refused = this.#swarm.seedRefusals >= Math.min(ENOUGH_REFUSALS, Math.max(1, downloading));
    if (this.#taskId !== undefined && (!task || hasFailed(task) || refused)) {
      this.close();
      this.#taskId = undefined;
      this.#given = true;
    }
    if (!task || this.#taskId === undefined) {
      this.#swarm.open.supply("source", blocks);
      return;
    }
    // Its own clients may all be gone.
    task.lastAccessMs = nowMs;
    const waits = this.#readAhead !== undefined;
    this.#swarm.open.supply("seed", seededBlocks(task, blocks), waits);
  }

  /**
   * Lets the copy come as much further as the members have got.
   *
   * @param downloading as in {@link SeedSupply.update}
   */
  pace(blocks: number, downloading: number): void {
    const { task } = this;
    if (!task || !this.#readAhead) return;
    const shared = this.#swarm.fetchedBelow(seededBlocks(task, blocks)) * BLOCK_BYTES;
    const upTo = downloading > 0 ? shared + readAheadBytes(task) : Number.POSITIVE_INFINITY;
    this.#readAhead.allow(task.id, upTo);
  }

  /** The swarm is over: the copy has nobody to wait for. */
  close(): void {
    if (this.#taskId !== undefined) this.#readAhead?.allow(this.#taskId, Number.POSITIVE_INFINITY);
  }
}

/** How many blocks, from the first on, our copy of a file holds. */
function seededBlocks(task: Task, blocks: number): number {
  if (task.cdnStatus === "SUCCESS") return blocks;
  const bytes = task.pieceMd5s.length * contentSize(taskLayout(task));
  return bytes >= task.length ? blocks : Math.floor(bytes / BLOCK_BYTES);
}
