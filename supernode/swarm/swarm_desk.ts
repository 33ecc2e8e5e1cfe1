import { seedFilePath } from "../../protocol/names.ts";
import { BLOCK_BYTES, type BlockRun, blockCount, runRange } from "../../protocol/swarm/blocks.ts";
import {
  type DigestsRequest,
  type HeartbeatRequest,
  type JoinAnswer,
  type JoinRequest,
  type LeaseGrant,
  type LeaseOrigin,
  type Neighbour,
  SWARM_VERSION,
  type TaskAdvice,
  type TaskReport,
} from "../../protocol/swarm/messages.ts";
import { sealToWire, type WireSeal } from "../../protocol/swarm/seal.ts";
import { getLogger } from "../../runtime/logger.ts";
import { type ByteOrigin, SILENT, type SupernodeObserver } from "../observer.ts";
import type { MemberAdvice } from "../schedule/member.ts";
import { subnetOf } from "../schedule/neighbours.ts";
import type { BlockOrigin } from "../schedule/open_blocks.ts";
import { SourceBudget } from "../schedule/source_budget.ts";
import { SwarmTask } from "../schedule/swarm_task.ts";
import type { TaskSchedule } from "../schedule/v1_scheduler.ts";
import type { PathPass } from "../seed/path_pass.ts";
import type { ReadAhead } from "../seed/read_ahead.ts";
import type { Client, Task } from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";
import { readPieces } from "./read_pieces.ts";
import { SeedSupply } from "./seed_supply.ts";
import { SetAside } from "./set_aside.ts";
import { Swarm, type SwarmMember, swarmKey } from "./swarm.ts";
import { V1Clients } from "./v1_clients.ts";

export interface SwarmDeskOptions {
  store: TaskStore;
  schedules: ReadonlyMap<string, TaskSchedule>;
  /** ms since the epoch. */
  now: () => number;
  /** Uniform in [0, 1). */
  random: () => number;
  observer?: SupernodeObserver;
  passes: PathPass;
  /** Whether another supernode had a task until a moment ago. Default: never. */
  begunElsewhere?: (task: Task) => boolean;
  /** Holds copies back that run ahead of their swarms; absent: none are. */
  readAhead?: ReadAhead | undefined;
  /** Our own address, for nodes that do not say how they see us. */
  advertiseIp: string;
  /** The port of our copies. */
  downloadPort: () => number;
}

/** What is said of one task, seals in JSON. */
type WireAdvice = Omit<TaskAdvice, "seals"> & { seals: WireSeal[] };
type WireDigests = { seals: WireSeal[]; unknown: number[] };

const log = getLogger("supernode");

/** How a member of a swarm is doing, as far as it has said. */
export interface MemberState {
  /** Blocks of the file, and how many of them it holds. */
  blocks: number;
  held: number;
  /** Bytes a second that arrive, and that it hands on. */
  downRate: number;
  upRate: number;
  /** The pieces held, where these are not all or none: a bitmap in base64. */
  pieces?: string | undefined;
  /** The blocks that it fetches from outside the swarm now. */
  fetches: BlockRun[];
}

/** What all swarms together are at. */
export interface SwarmLoad {
  /** Members that do not have the whole file yet, and that have it. */
  downloading: number;
  complete: number;
  /** Members that fetch from outside their swarm, and the leases that they hold. */
  runners: number;
  leases: number;
  /** Blocks that are still to be leased, in swarms that download. */
  openBlocks: number;
  /** Connections to each registry, by its host; the supernode's own copies go by no name. */
  connections: { registry: string; used: number; wanted: number }[];
}

const ORIGINS = { source: "registry", seed: "supernode", peer: "peer" } as const;
/** Milliseconds between two looks at who is silent. */
const EXPIRE_INTERVAL_MS = 250;
/** Milliseconds between heartbeats of a node whose tasks are all unknown here. */
const LOST_HEARTBEAT_MS = 1000;

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
  readonly #v1Clients = new V1Clients();
  /** What the tasks of one registry share, by its host. */
  readonly #budgets = new Map<string, SourceBudget>();
  readonly #observer: SupernodeObserver;
  /** Bytes that the member which reports just now has fetched from outside its swarm. */
  #fetched = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SwarmDeskOptions) {
    this.#options = options;
    this.#observer = options.observer ?? SILENT;
  }

  /**
   * Takes a registered client into the swarm of its file. To be told of every client: those of v1 count
   * too.
   *
   * @returns `undefined` where it must go on as a v1 client: it is no node of ours, for instance
   */
  join(client: Client, task: Task, request: JoinRequest | undefined): JoinAnswer | undefined {
    const answer = this.#takeIn(client, task, request);
    if (!answer) this.#v1Clients.add(client);
    return answer;
  }

  #takeIn(client: Client, task: Task, request: JoinRequest | undefined): JoinAnswer | undefined {
    if (request?.version !== SWARM_VERSION) return undefined;
    if (task.length <= 0) return undefined;
    // Should our copy fail, nobody could fetch parts of a part.
    if (task.access.headers.Range) return undefined;
    if (client.port === 0 || client.pattern === "cdn") return undefined;
    const swarm = this.#swarmOf(task);
    swarm.seed.offer(task);
    this.#supply(swarm);
    // From now on v1 clients are kept off the source.
    const begins = swarm.downloading === 0 || !swarm.has(task.id);
    if (begins && task.cdnSource === "source" && !swarm.seed.task) swarm.aside.fill(task);
    const advice = swarm.task.join(
      {
        id: client.cid,
        node: nodeOf(client),
        zone: request.zone,
        subnet: subnetOf(client.ip),
        serves: true,
        held: request.held,
        fetching: request.fetching,
        holds: request.holds === undefined ? undefined : readPieces(request.holds, swarm.blocks),
      },
      this.#options.now(),
    );
    const member = swarm.add(client);
    this.#membership.set(memberKey(task.id, client.cid), swarm);
    member.said = { held: request.held, downRate: 0, upRate: 0 };
    this.#v1Clients.remove(task.id, client.cid);
    // One that comes back with all of it has nothing more to say for a while.
    if (request.held >= swarm.blocks) swarm.completed(member);
    this.#tell(member, undefined);
    swarm.seed.pace(swarm.blocks, swarm.downloading);
    return {
      version: SWARM_VERSION,
      blockBytes: BLOCK_BYTES,
      neighbours: this.#neighbours(swarm, advice),
      leases: this.#leases(swarm, client, advice),
      tell: [...advice.tell],
      heartbeatMs: advice.heartbeatMs,
      sealKey: swarm.sealer.key,
    };
  }

  /** Whether a node has handed out wrong blocks of a task's file, and has no part in it any more. */
  isBanned(task: Task, node: { ip: string; port: number }): boolean {
    return this.#swarms.get(swarmKey(task))?.task.integrity.isBanned(nodeOf(node)) ?? false;
  }

  /** Answers POST /swarm/digests; `undefined` where the client is not known. */
  digests({ taskId, cid, blocks }: DigestsRequest): WireDigests | undefined {
    const swarm = this.#membership.get(memberKey(taskId, cid));
    if (!swarm) return undefined;
    return {
      seals: swarm.sealer.of(blocks).map(sealToWire),
      unknown: blocks.filter((block) => !swarm.task.integrity.willBeKnown(block)),
    };
  }

  /** Whether the members of a task's swarm are to have a copy of ours made of this task. */
  wantsSeed(task: Task): boolean {
    return this.#swarms.get(swarmKey(task))?.seed.task === task;
  }

  /** How a member is doing, for those who look on; `undefined` for one that is in no swarm. */
  look(taskId: string, cid: string): MemberState | undefined {
    const swarm = this.#membership.get(memberKey(taskId, cid));
    const member = swarm?.members.get(cid);
    if (!swarm || !member) return undefined;
    const leases = swarm.task.leasesOf(cid).filter((lease) => lease.done < lease.count);
    return {
      ...member.said,
      blocks: swarm.blocks,
      fetches: leases.map(({ first, count, done }) => ({
        first: first + done,
        count: count - done,
      })),
    };
  }

  /** What all swarms together are at. */
  get load(): SwarmLoad {
    const connections = [...this.#budgets].map(([registry, { used, wanted }]) => ({
      ...{ registry, used, wanted },
    }));
    const load = {
      ...{ downloading: 0, complete: 0, runners: 0, leases: 0, openBlocks: 0, connections },
    };
    for (const { task, members, downloading } of this.#swarms.values()) {
      const { leases, openBlocks } = task.work;
      load.downloading += downloading;
      load.complete += members.size - downloading;
      load.runners += task.runners;
      load.leases += leases;
      if (downloading > 0) load.openBlocks += openBlocks;
    }
    return load;
  }

  /** Answers POST /swarm/heartbeat. */
  heartbeat(request: HeartbeatRequest): { heartbeatMs: number; tasks: WireAdvice[] } {
    const tasks: WireAdvice[] = [];
    let heartbeatMs = Number.POSITIVE_INFINITY;
    for (const report of request.tasks) {
      const advice = this.#report(report);
      if (!advice) {
        const nothing = { neighbours: [], leases: [], seals: [], tell: [], seeding: false };
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
    this.#v1Clients.remove(taskId, cid);
    const swarm = this.#membership.get(memberKey(taskId, cid));
    if (!swarm) return;
    swarm.task.leave(cid);
    this.#membership.delete(memberKey(taskId, cid));
    swarm.remove(cid);
    if (swarm.members.size > 0) return;
    swarm.seed.close();
    this.#swarms.delete(swarm.key);
  }

  /** Another supernode has a task: its members are to go there. */
  letGo(taskId: string): void {
    for (const { members } of [...this.#swarms.values()]) {
      for (const { client } of [...members.values()])
        if (client.taskId === taskId) this.leave(taskId, client.cid);
    }
  }

  /** Begins to look after those who fall silent. */
  start(): void {
    let lastMs = performance.now();
    this.#timer = setInterval(() => {
      // A turn later: reports that have come in meanwhile are heard first.
      setImmediate(() => {
        const nowMs = performance.now();
        this.expire(deafFor(nowMs - lastMs));
        lastMs = nowMs;
      });
    }, EXPIRE_INTERVAL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /**
   * Lets go of members that are silent.
   *
   * @param deafMs for how long, since the last look, this process was too busy to hear anybody
   */
  expire(deafMs = 0): void {
    const nowMs = this.#options.now();
    for (const swarm of this.#swarms.values()) {
      swarm.aside.look();
      swarm.task.expire(nowMs, deafMs);
      if (swarm.task.size === swarm.members.size) continue;
      for (const { client } of [...swarm.members.values()]) {
        if (!swarm.task.has(client.cid)) this.leave(client.taskId, client.cid);
      }
    }
  }

  #report(report: TaskReport): { heartbeatMs: number; task: WireAdvice } | undefined {
    const { store, now } = this.#options;
    const swarm = this.#membership.get(memberKey(report.taskId, report.cid));
    const member = swarm?.members.get(report.cid);
    if (!swarm || !member) return undefined;
    if (report.leaving) {
      store.removeClient(report.taskId, report.cid);
      return undefined;
    }
    this.#supply(swarm);
    swarm.aside.heard(report, swarm.taskIds);
    this.#fetched = 0;
    const advice = swarm.task.report(report.cid, report, now());
    this.#count(swarm, member, report.held);
    if (!advice) {
      this.leave(report.taskId, report.cid);
      return undefined;
    }
    store.touch(member.client);
    member.said = saidIn(report, member.said);
    if (report.held >= swarm.blocks && !member.complete) swarm.completed(member);
    else if (member.client.state === "WAITING") member.client.state = "RUNNING";
    this.#tell(member, report.pieces);
    swarm.seed.pace(swarm.blocks, swarm.downloading);
    return {
      heartbeatMs: advice.heartbeatMs,
      task: {
        taskId: report.taskId,
        known: true,
        neighbours: this.#neighbours(swarm, advice),
        leases: this.#leases(swarm, member.client, advice),
        seals: advice.digests.map((run) => sealToWire(swarm.sealer.seal(run))),
        tell: [...advice.tell],
        seeding: swarm.seed.task?.cdnStatus === "RUNNING",
      },
    };
  }

  /** What a member has more than when it last reported, and did not fetch itself, came from others. */
  #count({ blocks, length }: Swarm, { said }: SwarmMember, held: number): void {
    const bytes = (count: number) => (count >= blocks ? length : count * BLOCK_BYTES);
    const fromPeers = bytes(held) - bytes(said.held) - this.#fetched;
    if (fromPeers > 0) this.#observer.nodeReceived("peer", fromPeers);
  }

  #supply({ seed, blocks, downloading }: Swarm): void {
    seed.update(blocks, downloading, this.#options.now());
  }

  #leases(swarm: Swarm, client: Client, { leases }: MemberAdvice): LeaseGrant[] {
    return leases.map(({ origin, ...run }) => {
      const from = this.#placeOf(swarm, client, origin);
      return from ? { ...run, from } : run;
    });
  }

  /** Where a node finds what it is sent for; where that is gone meanwhile, the source has it. */
  #placeOf(swarm: Swarm, client: Client, origin: BlockOrigin): LeaseOrigin | undefined {
    const { passes, advertiseIp, downloadPort } = this.#options;
    if (origin.kind === "peer") {
      const v1 = swarm.aside.client(origin.cid, swarm.taskIds);
      return v1 && { kind: "peer", ip: v1.ip, port: v1.port, path: v1.path };
    }
    const { task } = swarm.seed;
    if (origin.kind === "source" || !task) return undefined;
    const ip = client.superNodeIp || advertiseIp;
    return {
      kind: "seed",
      ip,
      port: downloadPort(),
      path: seedFilePath(task.id, passes.issue(task.id)),
    };
  }

  /** From now on v1 clients of the same task can be sent to a member for what it has. */
  #tell({ client, complete, told }: SwarmMember, pieces: string | undefined): void {
    const { store, schedules, now } = this.#options;
    const { cid, taskId } = client;
    const task = store.task(taskId);
    const schedule = schedules.get(taskId);
    const has = complete ? "all" : pieces;
    if (!task || !schedule || has === undefined) return;
    if (complete || this.#v1Clients.isAny(taskId, now()))
      told.tell(has, { cid, task, schedule }, now());
  }

  #swarmOf(task: Task): Swarm {
    const key = swarmKey(task);
    let swarm = this.#swarms.get(key);
    if (!swarm) {
      const { length } = task;
      const blocks = blockCount(length);
      const { random, store, schedules, now } = this.#options;
      const budget = this.#budgetOf(task);
      const onLiar = (node: string, ids: readonly string[]) => this.#foundOut(key, node, ids);
      const onGivenUp = (node: string, id: string) => {
        const text = "silent, failing or slow, say its neighbours";
        this.#observer.problem({ kind: "node given up", node, text });
        log.info("node {node} ({id}) is silent, fails or is slow, say its neighbours", {
          node,
          id,
        });
      };
      const onFetched = (run: BlockRun, { kind }: BlockOrigin) => {
        const { start, end } = runRange(run, length);
        this.#fetched += end - start + 1;
        this.#observer.nodeReceived(ORIGINS[kind] satisfies ByteOrigin, end - start + 1);
      };
      const swarmTask = new SwarmTask({
        ...{ blocks, budget, random, onLiar, onGivenUp, onFetched },
      });
      const { readAhead, begunElsewhere } = this.#options;
      const isHeld = begunElsewhere?.(task) ?? false;
      const seed = new SeedSupply(store, swarmTask, readAhead, isHeld);
      const aside = new SetAside({ store, schedules, now, swarm: swarmTask });
      swarm = new Swarm({ key, length, task: swarmTask, seed, aside, schedules });
      this.#swarms.set(key, swarm);
    }
    return swarm;
  }

  /** A node is used no more, and nobody is sent to it: not by v1's schedule either. */
  #foundOut(key: string, node: string, ids: readonly string[]): void {
    log.warn("node {node} ({ids}) hands out wrong blocks of {file}: it is used no more", {
      node,
      ids: ids.join(", "),
      file: key,
    });
    const text = "handed out wrong blocks, and is used no more";
    this.#observer.problem({ kind: "wrong bytes", node, text });
    const members = this.#swarms.get(key)?.members;
    for (const id of ids) {
      const client = members?.get(id)?.client;
      if (client) this.#options.store.removeClient(client.taskId, id);
    }
  }

  #budgetOf(task: Task): SourceBudget {
    // In pattern `local` the bound is for ourselves.
    const host = task.cdnSource === "source" ? new URL(task.taskUrl).host : "";
    let budget = this.#budgets.get(host);
    if (!budget) this.#budgets.set(host, (budget = new SourceBudget()));
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

/** What is kept of a report; rates are smoothed, since blocks come in bursts. */
function saidIn({ held, downRate, upRate, pieces }: TaskReport, last: SwarmMember["said"]) {
  const mean = (before: number, now: number) =>
    before === 0 ? now : Math.round((before + now) / 2);
  return {
    held,
    downRate: mean(last.downRate, downRate),
    upRate: mean(last.upRate, upRate),
    pieces,
  };
}

/** Of the time between two looks, what this process was busy with something else, ms. */
function deafFor(passedMs: number): number {
  const lateMs = passedMs - EXPIRE_INTERVAL_MS;
  return lateMs > EXPIRE_INTERVAL_MS ? lateMs : 0;
}

/** Where a client's node is: its peer server, which it does not change as easily as its ids. */
function nodeOf({ ip, port }: { ip: string; port: number }): string {
  return `${ip}:${port}`;
}

function memberKey(taskId: string, cid: string): string {
  return `${taskId} ${cid}`;
}
