import { blobDigest, formatDigest } from "../../protocol/digest.ts";
import { blockBytes, blockCount } from "../../protocol/swarm/blocks.ts";
import type { TaskReport } from "../../protocol/swarm/messages.ts";
import type { SwarmTask } from "../schedule/swarm_task.ts";
import type { TaskSchedule } from "../schedule/v1/task_schedule.ts";
import type { Client, Task } from "../tasks/task.ts";
import { Sealer } from "./sealer.ts";
import type { SeedSupply } from "./seed_supply.ts";
import type { SetAside } from "./set_aside.ts";
import { ToldPieces } from "./told_pieces.ts";

export interface SwarmMember {
  readonly client: Client;
  complete: boolean;
  /** What it said last: blocks held, bytes a second that arrive and leave, and pieces (base64). */
  said: Pick<TaskReport, "held" | "downRate" | "upRate" | "pieces">;
  /** What v1 clients of its task know that it has. */
  readonly told: ToldPieces;
}

/** What is kept of a report; rates are smoothed, since blocks come in bursts. */
export function saidIn({ held, downRate, upRate, pieces }: TaskReport, last: SwarmMember["said"]) {
  const mean = (before: number, now: number) =>
    before === 0 ? now : Math.round((before + now) / 2);
  return {
    held,
    downRate: mean(last.downRate, downRate),
    upRate: mean(last.upRate, upRate),
    pieces,
  };
}

export interface SwarmParts {
  key: string;
  /** Bytes of the file. */
  length: number;
  task: SwarmTask;
  seed: SeedSupply;
  aside: SetAside;
  schedules: ReadonlyMap<string, TaskSchedule>;
}

/**
 * One file's swarm, over all the URLs and repositories that lead to the file: who its members are, and for
 * which of the tasks.
 *
 * v1 clients keep off the source while it brings the file: they get it from its members.
 */
export class Swarm {
  readonly key: string;
  readonly blocks: number;
  /** Bytes of a block. */
  readonly blockBytes: number;
  /** Bytes of the file. */
  readonly length: number;
  readonly task: SwarmTask;
  readonly seed: SeedSupply;
  readonly aside: SetAside;
  readonly sealer = new Sealer();
  readonly #schedules: ReadonlyMap<string, TaskSchedule>;
  readonly #members = new Map<string, SwarmMember>();
  /** How many members each of the tasks has. */
  readonly #tasks = new Map<string, number>();
  #downloading = 0;

  constructor({ key, length, task, seed, aside, schedules }: SwarmParts) {
    this.key = key;
    this.length = length;
    this.blocks = blockCount(length);
    this.blockBytes = blockBytes(length);
    this.task = task;
    this.seed = seed;
    this.aside = aside;
    this.#schedules = schedules;
  }

  /** Members by their client ids. */
  get members(): ReadonlyMap<string, SwarmMember> {
    return this.#members;
  }

  /** Ids of the tasks that have members. */
  get taskIds(): Iterable<string> {
    return this.#tasks.keys();
  }

  /** Members that do not have the whole file yet. */
  get downloading(): number {
    return this.#downloading;
  }

  /** Whether a task has members. */
  has(taskId: string): boolean {
    return this.#tasks.has(taskId);
  }

  /** A client takes part; one that does already starts afresh. */
  add(client: Client): SwarmMember {
    const { cid, taskId } = client;
    this.remove(cid);
    const said = { held: 0, downRate: 0, upRate: 0 };
    const member: SwarmMember = { client, complete: false, said, told: new ToldPieces() };
    this.#members.set(cid, member);
    const known = this.#tasks.get(taskId) ?? 0;
    this.#tasks.set(taskId, known + 1);
    this.#downloading += 1;
    if (this.#downloading === 1) this.#holdSource(true);
    else if (known === 0) this.#schedules.get(taskId)?.holdSource(true);
    return member;
  }

  remove(cid: string): void {
    const member = this.#members.get(cid);
    if (!member) return;
    const { taskId } = member.client;
    this.#members.delete(cid);
    if (!member.complete) this.#downloaded();
    const left = this.#tasks.get(taskId)! - 1;
    if (left > 0) {
      this.#tasks.set(taskId, left);
      return;
    }
    this.#tasks.delete(taskId);
    this.#schedules.get(taskId)?.holdSource(false);
  }

  /** A member has the whole file. */
  completed(member: SwarmMember): void {
    member.complete = true;
    member.client.state = "SUCCESS";
    this.#downloaded();
  }

  /** One member less is at it. */
  #downloaded(): void {
    this.#downloading -= 1;
    if (this.#downloading === 0) this.#holdSource(false);
  }

  #holdSource(hold: boolean): void {
    for (const taskId of this.#tasks.keys()) this.#schedules.get(taskId)?.holdSource(hold);
  }
}

/**
 * What two tasks have in common that lead to the same file. A blob that its registry gives to everybody is
 * the same under the name of any registry that does; of any other, another registry may say to anybody that
 * he may have it.
 */
export function swarmKey(task: Task): string {
  const digest = blobDigest(task.taskUrl);
  if (!digest) return task.id;
  const blob = `${formatDigest(digest)} ${task.length}`;
  return task.isPublic ? blob : `${new URL(task.taskUrl).origin} ${blob}`;
}
