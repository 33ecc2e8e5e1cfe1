import { blobDigest, formatDigest } from "../../protocol/digest.ts";
import { seedFilePath } from "../../protocol/names.ts";
import { contentSize } from "../../protocol/piece_range.ts";
import { BLOCK_BYTES, blockCount } from "../../protocol/swarm/blocks.ts";
import {
  type HeartbeatAnswer,
  type HeartbeatRequest,
  type JoinAnswer,
  type JoinRequest,
  type LeaseGrant,
  type Neighbour,
  SWARM_VERSION,
  type TaskAdvice,
  type TaskReport,
} from "../../protocol/swarm/messages.ts";
import { subnetOf } from "../schedule/neighbours.ts";
import { DEFAULT_REGISTRY_CONNECTIONS, type SourceBudget } from "../schedule/source_leases.ts";
import { type MemberAdvice, SwarmTask } from "../schedule/swarm_task.ts";
import type { TaskSchedule } from "../schedule/v1_scheduler.ts";
import { type Client, hasFailed, type Task, taskLayout, taskPieceCount } from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";

export interface SwarmDeskOptions {
  store: TaskStore;
  schedules: ReadonlyMap<string, TaskSchedule>;
  /** ms since the epoch. */
  now: () => number;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Our own address, for nodes that do not say how they see us. */
  advertiseIp: string;
  /** The port of our copies. */
  downloadPort: () => number;
}

/** One file's swarm, over all the URLs and repositories that lead to the file. */
interface Swarm {
  readonly key: string;
  readonly blocks: number;
  readonly task: SwarmTask;
  readonly members: Map<string, SwarmMember>;
  /** How many members each of the tasks has that lead to the file. */
  readonly tasks: Map<string, number>;
  /** Members that do not have the whole file yet. */
  downloading: number;
  /** The task whose copy here the members draw on before they go to the source, if any. */
  seedTaskId: string | undefined;
}

interface SwarmMember {
  readonly client: Client;
  complete: boolean;
}

/** Milliseconds between two looks at who is silent. */
const EXPIRE_INTERVAL_MS = 250;
/** Milliseconds between heartbeats of a node whose tasks are all unknown here. */
const LOST_HEARTBEAT_MS = 1000;
/** A v1 client that was heard of within this time is still at its task, ms. */
const ACTIVE_MS = 60_000;
/** As many members as this must fail to fetch from our copy before all go to the source. */
const SEED_REFUSALS = 3;

/**
 * Speaks with the nodes of our own swarm (docs/protocol.md, The swarm): one join and a heartbeat every
 * second or two, whatever the number of pieces. Knows who is where; who does what is decided in
 * `schedule/swarm_task.ts`.
 */
export class SwarmDesk {
  readonly #options: SwarmDeskOptions;
  readonly #swarms = new Map<string, Swarm>();
  /** By task and client id. */
  readonly #membership = new Map<string, Swarm>();
  /** Who goes by v1's schedule, by task and client id: few where our nodes are many. */
  readonly #v1Clients = new Map<string, Map<string, Client>>();
  /** What the tasks of one registry share, by its host. */
  readonly #budgets = new Map<string, SourceBudget>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SwarmDeskOptions) {
    this.#options = options;
  }

  /**
   * Takes a registered client into the swarm of its file. To be told of every client: those of v1 count
   * too.
   *
   * @returns `undefined` where it must go on as a v1 client: it is no node of ours, or v1 clients are
   *   at the task, with whom it then shares v1's schedule
   */
  join(client: Client, task: Task, request: JoinRequest | undefined): JoinAnswer | undefined {
    const answer = this.#takeIn(client, task, request);
    if (!answer) {
      const others = this.#v1Clients.get(task.id) ?? new Map();
      this.#v1Clients.set(task.id, others.set(client.cid, client));
    }
    return answer;
  }

  #takeIn(client: Client, task: Task, request: JoinRequest | undefined): JoinAnswer | undefined {
    if (request?.version !== SWARM_VERSION) return undefined;
    if (task.length <= 0) return undefined;
    // Should our copy fail, nobody could fetch parts of a part.
    if (task.access.headers.Range) return undefined;
    if (client.port === 0 || client.pattern === "cdn") return undefined;
    // Who has our copy to draw on keeps off the source.
    if (task.cdnSource === "source" && task.cdnStatus === "WAITING" && this.#hasV1Clients(task))
      return undefined;
    const swarm = this.#swarmOf(task);
    if (!this.#seedTask(swarm) && hasCopy(task)) swarm.seedTaskId = task.id;
    this.#supply(swarm);
    const advice = swarm.task.join(
      {
        id: client.cid,
        zone: request.zone,
        subnet: subnetOf(client.ip),
        serves: true,
        held: request.held,
      },
      this.#options.now(),
    );
    this.#add(swarm, client);
    this.#forgetV1Client(task.id, client.cid);
    return {
      version: SWARM_VERSION,
      blockBytes: BLOCK_BYTES,
      neighbours: this.#neighbours(swarm, advice),
      leases: this.#leases(swarm, client, advice),
      heartbeatMs: advice.heartbeatMs,
    };
  }

  /** Whether the members of a task's swarm are to have a copy of ours made of this task. */
  wantsSeed(task: Task): boolean {
    return this.#swarms.get(swarmKey(task))?.seedTaskId === task.id;
  }

  /** Answers POST /swarm/heartbeat. */
  heartbeat(request: HeartbeatRequest): HeartbeatAnswer {
    const tasks: TaskAdvice[] = [];
    let heartbeatMs = Number.POSITIVE_INFINITY;
    for (const report of request.tasks) {
      const advice = this.#report(report);
      if (!advice) {
        const nothing = { neighbours: [], leases: [], seeding: false };
        tasks.push({ taskId: report.taskId, known: false, ...nothing });
        continue;
      }
      heartbeatMs = Math.min(heartbeatMs, advice.heartbeatMs);
      tasks.push(advice.task);
    }
    return {
      heartbeatMs: Number.isFinite(heartbeatMs) ? heartbeatMs : LOST_HEARTBEAT_MS,
      tasks,
    };
  }

  /** A client is gone. */
  leave(taskId: string, cid: string): void {
    this.#forgetV1Client(taskId, cid);
    const swarm = this.#membership.get(memberKey(taskId, cid));
    if (!swarm) return;
    swarm.task.leave(cid);
    this.#remove(swarm, taskId, cid);
    if (swarm.members.size === 0) this.#swarms.delete(swarm.key);
  }

  /** Begins to look after those who fall silent. */
  start(): void {
    this.#timer = setInterval(() => {
      // A turn later: reports that have come in meanwhile are heard first.
      setImmediate(() => this.expire());
    }, EXPIRE_INTERVAL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Lets go of members that are silent. */
  expire(): void {
    const nowMs = this.#options.now();
    for (const swarm of this.#swarms.values()) {
      swarm.task.expire(nowMs);
      if (swarm.task.size === swarm.members.size) continue;
      for (const { client } of [...swarm.members.values()]) {
        if (!swarm.task.has(client.cid)) this.leave(client.taskId, client.cid);
      }
    }
  }

  #report(report: TaskReport): { heartbeatMs: number; task: TaskAdvice } | undefined {
    const { store, now } = this.#options;
    const swarm = this.#membership.get(memberKey(report.taskId, report.cid));
    const member = swarm?.members.get(report.cid);
    if (!swarm || !member) return undefined;
    if (report.leaving) {
      store.removeClient(report.taskId, report.cid);
      return undefined;
    }
    this.#supply(swarm);
    const advice = swarm.task.report(report.cid, report, now());
    if (!advice) {
      this.leave(report.taskId, report.cid);
      return undefined;
    }
    store.touch(member.client);
    if (report.held >= swarm.blocks && !member.complete) this.#completed(swarm, member);
    else if (member.client.state === "WAITING") member.client.state = "RUNNING";
    return {
      heartbeatMs: advice.heartbeatMs,
      task: {
        taskId: report.taskId,
        known: true,
        neighbours: this.#neighbours(swarm, advice),
        leases: this.#leases(swarm, member.client, advice),
        seeding: this.#seedTask(swarm)?.cdnStatus === "RUNNING",
      },
    };
  }

  /**
   * Says where the swarm's blocks come from now: from our copy as far as that has come, or where there
   * is none from the source.
   */
  #supply(swarm: Swarm): void {
    const { now } = this.#options;
    const enough = Math.min(SEED_REFUSALS, Math.max(1, swarm.downloading));
    let seed = this.#seedTask(swarm);
    // For good: a copy begun anew would ask the source for what the members are fetching.
    if (seed && (hasFailed(seed) || swarm.task.seedRefusals >= enough)) seed = undefined;
    if (!seed) swarm.seedTaskId = undefined;
    if (!seed) {
      swarm.task.supply("source", swarm.blocks);
      return;
    }
    // Its own clients may all be gone.
    seed.lastAccessMs = now();
    swarm.task.supply("seed", seededBlocks(seed, swarm.blocks));
  }

  #seedTask(swarm: Swarm): Task | undefined {
    return swarm.seedTaskId === undefined ? undefined : this.#options.store.task(swarm.seedTaskId);
  }

  #leases(swarm: Swarm, client: Client, { leases }: MemberAdvice): LeaseGrant[] {
    const { advertiseIp, downloadPort } = this.#options;
    return leases.map(({ origin, ...run }) => {
      if (origin.kind !== "seed" || swarm.seedTaskId === undefined) return run;
      const ip = client.superNodeIp || advertiseIp;
      const path = seedFilePath(swarm.seedTaskId);
      return { ...run, from: { kind: "seed", ip, port: downloadPort(), path } };
    });
  }

  /** From now on v1 clients of the same task can be sent to it as well. */
  #completed(swarm: Swarm, member: SwarmMember): void {
    const { schedules, store, now } = this.#options;
    member.complete = true;
    const { client } = member;
    client.state = "SUCCESS";
    const task = store.task(client.taskId);
    const schedule = schedules.get(client.taskId);
    if (task && schedule) {
      const pieces = taskPieceCount(task) ?? 0;
      for (let piece = 0; piece < pieces; piece++) {
        schedule.succeeded(client.cid, piece, true, now());
      }
    }
    this.#downloaded(swarm);
  }

  #add(swarm: Swarm, client: Client): void {
    const { cid, taskId } = client;
    this.#remove(swarm, taskId, cid);
    swarm.members.set(cid, { client, complete: false });
    this.#membership.set(memberKey(taskId, cid), swarm);
    const known = swarm.tasks.get(taskId) ?? 0;
    swarm.tasks.set(taskId, known + 1);
    swarm.downloading += 1;
    if (swarm.downloading === 1) this.#holdSource(swarm, true);
    else if (known === 0) this.#options.schedules.get(taskId)?.holdSource(true);
  }

  #remove(swarm: Swarm, taskId: string, cid: string): void {
    const member = swarm.members.get(cid);
    if (!member || !this.#membership.delete(memberKey(taskId, cid))) return;
    swarm.members.delete(cid);
    if (!member.complete) this.#downloaded(swarm);
    const left = swarm.tasks.get(taskId)! - 1;
    if (left > 0) {
      swarm.tasks.set(taskId, left);
      return;
    }
    swarm.tasks.delete(taskId);
    this.#options.schedules.get(taskId)?.holdSource(false);
  }

  /** One member less is at it. */
  #downloaded(swarm: Swarm): void {
    swarm.downloading -= 1;
    if (swarm.downloading === 0) this.#holdSource(swarm, false);
  }

  /** v1 clients keep off the source while the swarm brings the file: they get it from its members. */
  #holdSource(swarm: Swarm, hold: boolean): void {
    for (const taskId of swarm.tasks.keys()) this.#options.schedules.get(taskId)?.holdSource(hold);
  }

  #hasV1Clients(task: Task): boolean {
    const sinceMs = this.#options.now() - ACTIVE_MS;
    for (const client of this.#v1Clients.get(task.id)?.values() ?? []) {
      if (client.state === "RUNNING" && client.lastAccessMs > sinceMs) return true;
    }
    return false;
  }

  #forgetV1Client(taskId: string, cid: string): void {
    const clients = this.#v1Clients.get(taskId);
    clients?.delete(cid);
    if (clients?.size === 0) this.#v1Clients.delete(taskId);
  }

  #swarmOf(task: Task): Swarm {
    const key = swarmKey(task);
    let swarm = this.#swarms.get(key);
    if (!swarm) {
      const blocks = blockCount(task.length);
      const { random } = this.#options;
      const budget = this.#budgetOf(task);
      swarm = {
        key,
        blocks,
        task: new SwarmTask({ blocks, budget, random }),
        members: new Map(),
        tasks: new Map(),
        downloading: 0,
        seedTaskId: undefined,
      };
      this.#swarms.set(key, swarm);
      if (task.cdnSource === "supernode") {
        // One is about to be made; also where it failed the last time.
        swarm.seedTaskId = task.id;
        if (hasFailed(task)) task.cdnStatus = "WAITING";
      }
    }
    return swarm;
  }

  #budgetOf(task: Task): SourceBudget {
    // In pattern `local` the bound is for ourselves.
    const host = task.cdnSource === "source" ? new URL(task.taskUrl).host : "";
    let budget = this.#budgets.get(host);
    if (!budget)
      this.#budgets.set(host, (budget = { most: DEFAULT_REGISTRY_CONNECTIONS, used: 0 }));
    return budget;
  }

  #neighbours(swarm: Swarm, advice: MemberAdvice): Neighbour[] {
    return advice.neighbours.flatMap(({ id, near }) => {
      const member = swarm.members.get(id);
      if (!member) return [];
      const { ip, port, path } = member.client;
      return [{ id, ip, port, path, near }];
    });
  }
}

/** Whether there is, or will be in a moment, a copy of ours. */
function hasCopy({ cdnStatus }: Task): boolean {
  return cdnStatus === "RUNNING" || cdnStatus === "SUCCESS";
}

/** How many blocks, from the first on, our copy of a file holds. */
function seededBlocks(task: Task, blocks: number): number {
  if (task.cdnStatus === "SUCCESS") return blocks;
  const bytes = task.pieceMd5s.length * contentSize(taskLayout(task));
  return Math.min(blocks, bytes >= task.length ? blocks : Math.floor(bytes / BLOCK_BYTES));
}

/** What two tasks have in common that lead to the same file. */
function swarmKey(task: Task): string {
  const digest = blobDigest(task.taskUrl);
  return digest ? `${formatDigest(digest)} ${task.length}` : task.id;
}

function memberKey(taskId: string, cid: string): string {
  return `${taskId} ${cid}`;
}
