import type {
  ClientCounts,
  Holder,
  PeerView,
  TaskSummary,
  TaskView,
} from "../../protocol/control/messages.ts";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import type { TaskSchedule } from "../schedule/v1/task_schedule.ts";
import type { SwarmDesk } from "../swarm/swarm_desk.ts";
import { latestOfEachNode } from "../tasks/latest_of_each_node.ts";
import { shownTime } from "../tasks/shown_time.ts";
import {
  type Client,
  isAtIt,
  type Peer,
  piecesOfRun,
  type Task,
  taskPieceCount,
} from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";

export interface ViewsOptions {
  store: TaskStore;
  schedules: ReadonlyMap<string, TaskSchedule>;
  swarms: Pick<SwarmDesk, "look">;
  /** ms since the epoch. */
  now: () => number;
  /** A clock that nobody sets, ms. */
  steadyNow: () => number;
}

/** What a supernode shows of its tasks and nodes to operators: no client ids, file names or headers. */
export class SupernodeViews {
  readonly #options: ViewsOptions;

  constructor(options: ViewsOptions) {
    this.#options = options;
  }

  /** All tasks, the one used last first. */
  tasks(): TaskSummary[] {
    const tasks = [...this.#options.store.tasks()];
    return tasks.sort((a, b) => b.lastAccessMs - a.lastAccessMs).map((task) => this.#summary(task));
  }

  /** One task, and who holds what of it, those with the most first. */
  task(id: string): TaskView | undefined {
    const task = this.#options.store.task(id);
    if (!task) return undefined;
    const pieces = taskPieceCount(task) ?? 0;
    const holders = this.#downloads(id).map((client) => this.#holder(client, task, pieces));
    return {
      ...this.#summary(task),
      pieceSize: task.pieceSize,
      pieces,
      seeded: task.cdnStatus === "SUCCESS" ? pieces : task.pieceSums.length,
      holders: holders.sort((a, b) => b.share - a.share || a.ip.localeCompare(b.ip)),
    };
  }

  /** All nodes. */
  peers(): PeerView[] {
    const { store, swarms } = this.#options;
    const byPeer = new Map<string, Client[]>();
    for (const client of this.#allDownloads()) {
      const known = byPeer.get(client.peerId);
      if (known) known.push(client);
      else byPeer.set(client.peerId, [client]);
    }
    return [...store.peers()].map(({ id, ip, port, hostName, version, ...times }: Peer) => {
      const clients = byPeer.get(id) ?? [];
      const rates = clients.map(({ taskId, cid }) => swarms.look(taskId, cid)?.downRate ?? 0);
      return {
        ...{ ip, port, hostName, version },
        clients: countClients(clients),
        downRate: rates.reduce((sum, rate) => sum + rate, 0),
        createdMs: times.createdMs,
        lastAccessMs: this.#shown(times.lastAccessMs),
      };
    });
  }

  clients(): ClientCounts {
    return countClients(this.#allDownloads());
  }

  /** How many nodes are at a task, or at any. */
  activeClients(taskId?: string): number {
    const { store, steadyNow } = this.#options;
    const nowMs = steadyNow();
    const clients = taskId === undefined ? store.clients() : store.clientsOfTask(taskId);
    let active = 0;
    for (const client of clients) if (isAtIt(client, nowMs)) active += 1;
    return active;
  }

  /** The time of day of what was noted by the steady clock, ms since the epoch. */
  #shown(steadyMs: number): number {
    const { now, steadyNow } = this.#options;
    return shownTime(steadyMs, { steadyMs: steadyNow(), wallMs: now() });
  }

  /** A node counts once in a task. */
  #downloads(taskId: string): Client[] {
    return latestOfEachNode(this.#options.store.clientsOfTask(taskId));
  }

  #allDownloads(): Client[] {
    return [...this.#options.store.tasks()].flatMap(({ id }) => this.#downloads(id));
  }

  #summary(task: Task): TaskSummary {
    return {
      id: task.id,
      url: redactUrl(task.rawUrl),
      length: task.length,
      cdnSource: task.cdnSource,
      cdnStatus: task.cdnStatus,
      clients: countClients(this.#downloads(task.id)),
      createdMs: task.createdMs,
      lastAccessMs: this.#shown(task.lastAccessMs),
    };
  }

  #holder(client: Client, task: Task, pieces: number): Holder {
    const { store, schedules, swarms } = this.#options;
    const node = {
      ip: client.ip,
      port: client.port,
      hostName: store.peer(client.peerId)?.hostName ?? "",
      dfdaemon: client.dfdaemon,
      state: client.state,
      lastAccessMs: this.#shown(client.lastAccessMs),
    };
    const inSwarm = swarms.look(client.taskId, client.cid);
    if (inSwarm) {
      const { pieces: bitmap } = inSwarm;
      return {
        ...node,
        protocol: "swarm",
        ...(bitmap === undefined ? {} : { pieces: bitmap }),
        share: inSwarm.blocks === 0 ? 0 : Math.min(1, inSwarm.held / inSwarm.blocks),
        fetches: inSwarm.fetches.flatMap((run) => piecesOfRun(task, run)),
        downRate: inSwarm.downRate,
      };
    }
    const holdings = schedules.get(task.id)?.holdings(client.cid);
    const held = new Bitmap(pieces);
    for (const piece of holdings?.has ?? []) if (piece < pieces) held.add(piece);
    return {
      ...node,
      protocol: "v1",
      ...(held.count > 0 && !held.complete ? { pieces: held.toBase64() } : {}),
      share: pieces === 0 ? 0 : held.count / pieces,
      fetches: holdings?.fetches ?? [],
      downRate: 0,
    };
  }
}

function countClients(clients: Iterable<Client>): ClientCounts {
  const counts = { waiting: 0, running: 0, success: 0, failed: 0 };
  for (const { state } of clients) counts[state.toLowerCase() as keyof ClientCounts] += 1;
  return counts;
}
