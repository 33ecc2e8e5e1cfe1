import { blockBytes } from "../../protocol/swarm/blocks.ts";
import type { SwarmTask } from "../schedule/swarm_task.ts";
import { type ReadAhead, readAheadBytes } from "../seed/read_ahead.ts";
import { copiedBytes, hasFailed, type Task } from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";

/** As many members as this must fail to fetch from our copy before all go to the source. */
const ENOUGH_REFUSALS = 3;
/** Bytes beyond what a copy that is held back may have, for which nodes are sent already. */
const SOON_BYTES = 2 * 1024 * 1024;

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

  /**
   * A task of the file: its copy is used where there is one, or (CDN pattern `local`) will be soon.
   *
   * @param isBack it is offered by a node that has lost its supernode: where several share their tasks, members hold
   *   much of the file
   */
  offer(task: Task, isBack = false): void {
    if (this.#given || this.task) return;
    if (isBack && this.#readAhead && task.cdnStatus === "WAITING") {
      this.#given = true;
      return;
    }
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
    const seeded = this.#seededBlocks(task, blocks);
    if (this.#readAhead?.copies.bytes(task.id) === undefined) {
      this.#swarm.open.supply("seed", seeded, this.#readAhead !== undefined);
      return;
    }
    // Whoever is sent for what comes next has it as soon as the copy.
    const soon = Math.ceil((readAheadBytes(task) + SOON_BYTES) / blockBytes(task.length));
    this.#swarm.open.supply("seed", Math.min(blocks, seeded + soon), true);
  }

  /** Whether the rest of what is being fetched here is to be had at the source, should this supernode be gone. */
  get isShared(): boolean {
    return this.#readAhead !== undefined;
  }

  /**
   * Lets the copy come as much further as the members have got.
   *
   * @param downloading as in {@link SeedSupply.update}
   */
  pace(blocks: number, downloading: number): void {
    const { task } = this;
    if (!task || !this.#readAhead) return;
    if (downloading === 0) {
      this.#readAhead.release(task.id);
      return;
    }
    const isHeld = (block: number) => this.#swarm.isFetched(block);
    const seeded = this.#seededBlocks(task, blocks);
    // A block that somebody held before holds nobody back, though it is only half-way here.
    const bytes = blockBytes(task.length);
    const part = (this.#readAhead.copies.bytes(task.id) ?? 0) - seeded * bytes;
    const heldBytes =
      this.#swarm.fetchedBelow(seeded) * bytes + (isHeld(seeded) ? Math.max(0, part) : 0);
    const aheadBytes = readAheadBytes(task);
    this.#readAhead.pace(task.id, { blockBytes: bytes, heldBytes, aheadBytes, isHeld });
  }

  /** The swarm is over: the copy has nobody to wait for. */
  close(): void {
    if (this.#taskId !== undefined) this.#readAhead?.release(this.#taskId);
  }

  /** How many blocks, from the first on, our copy of a file holds. */
  #seededBlocks(task: Task, blocks: number): number {
    if (task.cdnStatus === "SUCCESS") return blocks;
    const bytes = this.#readAhead?.copies.bytes(task.id) ?? copiedBytes(task);
    return bytes >= task.length ? blocks : Math.floor(bytes / blockBytes(task.length));
  }
}
