import {
  type DigestsRequest,
  type HeartbeatRequest,
  type JoinAnswer,
  type JoinRequest,
  SWARM_VERSION,
  type TaskAdvice,
  type TaskReport,
} from "../../protocol/swarm/messages.ts";
import { sealToWire, type WireSeal } from "../../protocol/swarm/seal.ts";
import { subnetOf } from "../schedule/neighbours.ts";
import type { Client, Task } from "../tasks/task.ts";
import { AdviceInWords, type AdviceInWordsOptions } from "./advice_in_words.ts";
import { readPieces } from "./read_pieces.ts";
import { ReportLoad } from "./report_load.ts";
import { SilenceWatch } from "./silence_watch.ts";
import { type Swarm, type SwarmMember, saidIn } from "./swarm.ts";
import { type MemberState, memberState, type SwarmLoad } from "./swarm_state.ts";
import { Swarms, type SwarmsOptions } from "./swarms.ts";
import { V1Clients } from "./v1_clients.ts";

export type SwarmDeskOptions = Omit<SwarmsOptions, "relief"> & AdviceInWordsOptions;

/** What is said of one task, seals in JSON. */
type WireAdvice = Omit<TaskAdvice, "seals"> & { seals: WireSeal[] };
type WireDigests = { seals: WireSeal[]; unknown: number[] };

/** Milliseconds between heartbeats of a node whose tasks are all unknown here. */
const LOST_HEARTBEAT_MS = 1000;

/**
 * Speaks with the nodes of our own swarm (docs/protocol.md, The swarm): one join and a heartbeat every
 * second or two, whatever the number of pieces. Knows who is where; who does what is decided in
 * `schedule/swarm_task.ts`.
 */
export class SwarmDesk {
  readonly #options: SwarmDeskOptions;
  readonly #swarms: Swarms;
  readonly #words: AdviceInWords;
  readonly #v1Clients = new V1Clients();
  readonly #load = new ReportLoad();
  readonly #watch = new SilenceWatch({
    look: (deafMs) => {
      this.#load.look();
      this.expire(deafMs);
    },
    isAtWork: () => [...this.#swarms].some(({ downloading }) => downloading > 0),
  });

  constructor(options: SwarmDeskOptions) {
    this.#options = options;
    this.#swarms = new Swarms({ ...options, relief: this.#load.relief });
    this.#words = new AdviceInWords(options);
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
    const swarm = this.#swarms.of(task);
    swarm.seed.offer(task, request.fetching !== undefined);
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
        awaited: request.awaited,
        holds: request.holds === undefined ? undefined : readPieces(request.holds, swarm.blocks),
      },
      this.#options.steadyNow(),
    );
    const member = this.#swarms.add(swarm, client);
    member.said = { held: request.held, downRate: 0, upRate: 0 };
    this.#v1Clients.remove(task.id, client.cid);
    // One that comes back with all of it has nothing more to say for a while.
    if (request.held >= swarm.blocks) swarm.completed(member);
    this.#tell(member, undefined);
    swarm.seed.pace(swarm.blocks, swarm.downloading);
    return {
      version: SWARM_VERSION,
      blockBytes: swarm.blockBytes,
      neighbours: this.#words.neighbours(swarm, advice),
      leases: this.#words.leases(swarm, client, advice),
      tell: [...advice.tell],
      heartbeatMs: advice.heartbeatMs,
      sealKey: swarm.sealer.key,
    };
  }

  /** Whether a node has handed out wrong blocks of a task's file, and has no part in it any more. */
  isBanned(task: Task, node: { ip: string; port: number }): boolean {
    return this.#swarms.find(task)?.task.integrity.isBanned(nodeOf(node)) ?? false;
  }

  /** Answers POST /swarm/digests; `undefined` where the client is not known. */
  digests({ taskId, cid, blocks }: DigestsRequest): WireDigests | undefined {
    const swarm = this.#swarms.ofMember(taskId, cid);
    if (!swarm) return undefined;
    return {
      seals: swarm.sealer.of(blocks).map(sealToWire),
      unknown: blocks.filter((block) => !swarm.task.integrity.asked(block)),
    };
  }

  /** Whether the members of a task's swarm are to have a copy of ours made of this task. */
  wantsSeed(task: Task): boolean {
    return this.#swarms.find(task)?.seed.task === task;
  }

  /** How a member is doing, for those who look on; `undefined` for one that is in no swarm. */
  look(taskId: string, cid: string): MemberState | undefined {
    const swarm = this.#swarms.ofMember(taskId, cid);
    return swarm && memberState(swarm, cid);
  }

  /** What all swarms together are at. */
  get load(): SwarmLoad {
    return this.#swarms.load;
  }

  /** Answers POST /swarm/heartbeat. */
  heartbeat(request: HeartbeatRequest): { heartbeatMs: number; tasks: WireAdvice[] } {
    const tasks: WireAdvice[] = [];
    let heartbeatMs = Number.POSITIVE_INFINITY;
    for (const report of request.tasks) {
      const advice = this.#report(report);
      if (!advice) {
        const nothing = { neighbours: [], leases: [], seals: [], tell: [], coming: false };
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
    this.#swarms.remove(taskId, cid);
  }

  /**
   * Another supernode has a task: its members are to go there.
   *
   * @returns how many there were
   */
  letGo(taskId: string): number {
    const members = [...this.#swarms].flatMap((swarm) => [...swarm.members.values()]);
    const ofTask = members.filter(({ client }) => client.taskId === taskId);
    for (const { client } of ofTask) {
      this.leave(taskId, client.cid);
      this.#options.store.removeClient(taskId, client.cid);
    }
    return ofTask.length;
  }

  /** Begins to look after those who fall silent. */
  start(): void {
    this.#watch.start();
  }

  stop(): void {
    this.#watch.stop();
  }

  /**
   * Lets go of members that are silent.
   *
   * @param deafMs for how long, since the last look, this process was too busy to hear anybody
   */
  expire(deafMs = 0): void {
    const nowMs = this.#options.steadyNow();
    for (const swarm of this.#swarms) {
      swarm.aside.look();
      swarm.task.expire(nowMs, deafMs);
      if (swarm.task.size === swarm.members.size) continue;
      for (const { client } of [...swarm.members.values()]) {
        if (!swarm.task.has(client.cid)) this.leave(client.taskId, client.cid);
      }
    }
  }

  #report(report: TaskReport): { heartbeatMs: number; task: WireAdvice } | undefined {
    const { store, steadyNow } = this.#options;
    this.#load.reported();
    const swarm = this.#swarms.ofMember(report.taskId, report.cid);
    const member = swarm?.members.get(report.cid);
    if (!swarm || !member) return undefined;
    if (report.leaving) {
      store.removeClient(report.taskId, report.cid);
      return undefined;
    }
    this.#supply(swarm);
    swarm.aside.heard(report, swarm.taskIds);
    const advice = swarm.task.report(report.cid, report, steadyNow());
    this.#swarms.received.reported(swarm, member.said.held, report.held);
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
        neighbours: [
          ...this.#words.neighbours(swarm, advice),
          ...this.#words.renewed(swarm, report.renew ?? []),
        ],
        leases: this.#words.leases(swarm, member.client, advice),
        seals: advice.digests.map((run) => sealToWire(swarm.sealer.seal(run))),
        tell: [...advice.tell],
        coming: swarm.seed.task?.cdnStatus === "RUNNING" || swarm.task.isFetching(steadyNow()),
      },
    };
  }

  #supply({ seed, blocks, downloading }: Swarm): void {
    seed.update(blocks, downloading, this.#options.steadyNow());
  }

  /** From now on v1 clients of the same task can be sent to a member for what it has. */
  #tell({ client, complete, told }: SwarmMember, pieces: string | undefined): void {
    const { store, schedules, steadyNow } = this.#options;
    const { cid, taskId } = client;
    const task = store.task(taskId);
    const schedule = schedules.get(taskId);
    const has = complete ? "all" : pieces;
    if (!task || !schedule || has === undefined) return;
    if (complete || this.#v1Clients.isAny(taskId, steadyNow()))
      told.tell(has, { cid, task, schedule }, steadyNow());
  }
}

/** Where a client's node is: its peer server, which it does not change as easily as its ids. */
function nodeOf({ ip, port }: { ip: string; port: number }): string {
  return `${ip}:${port}`;
}
