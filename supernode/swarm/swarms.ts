import { blockBytes, blockCount } from "../../protocol/swarm/blocks.ts";
import { getLogger } from "../../runtime/logger.ts";
import { SILENT, type SupernodeObserver } from "../observer.ts";
import type { HeartbeatRelief } from "../schedule/heartbeat_relief.ts";
import { SourceBudget } from "../schedule/source_budget.ts";
import { SwarmTask } from "../schedule/swarm_task.ts";
import type { TaskSchedule } from "../schedule/v1/task_schedule.ts";
import type { ReadAhead } from "../seed/read_ahead.ts";
import type { Client, Task } from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";
import { ReceivedBytes } from "./received_bytes.ts";
import { SeedSupply } from "./seed_supply.ts";
import { SetAside } from "./set_aside.ts";
import { Swarm, type SwarmMember, swarmKey } from "./swarm.ts";
import { type SwarmLoad, swarmLoad } from "./swarm_state.ts";

export interface SwarmsOptions {
  store: TaskStore;
  schedules: ReadonlyMap<string, TaskSchedule>;
  /**
   * A clock that nobody sets, ms: for who is alive and who fetches what. Set back, another would have those who are gone
   * live on, and hold their leases, for hours.
   */
  steadyNow: () => number;
  /** Uniform in [0, 1). */
  random: () => number;
  /** How much less often than usual members report. */
  relief: HeartbeatRelief;
  observer?: SupernodeObserver;
  /** Whether another supernode had a task until a moment ago. Default: never. */
  begunElsewhere?: (task: Task) => boolean;
  /** Holds copies back that run ahead of their swarms; absent: none are. */
  readAhead?: ReadAhead | undefined;
}

const log = getLogger("supernode");

/** The swarms that there are: which one a file has, and which one a client is in. A swarm ends with its last member. */
export class Swarms {
  readonly received: ReceivedBytes;
  readonly #options: SwarmsOptions;
  readonly #observer: SupernodeObserver;
  readonly #byFile = new Map<string, Swarm>();
  /** By task and client id. */
  readonly #byMember = new Map<string, Swarm>();
  /** What the tasks of one registry share, by its host. */
  readonly #budgets = new Map<string, SourceBudget>();

  constructor(options: SwarmsOptions) {
    this.#options = options;
    this.#observer = options.observer ?? SILENT;
    this.received = new ReceivedBytes(this.#observer);
  }

  [Symbol.iterator](): IterableIterator<Swarm> {
    return this.#byFile.values();
  }

  /** What all of them together are at. */
  get load(): SwarmLoad {
    return swarmLoad(this, this.#budgets);
  }

  /** The swarm of a task's file; `undefined` while nobody is in it. */
  find(task: Task): Swarm | undefined {
    return this.#byFile.get(swarmKey(task));
  }

  /** The swarm that a client is in. */
  ofMember(taskId: string, cid: string): Swarm | undefined {
    return this.#byMember.get(memberKey(taskId, cid));
  }

  /** The swarm of a task's file, for somebody to {@link add} to. */
  of(task: Task): Swarm {
    const key = swarmKey(task);
    let swarm = this.#byFile.get(key);
    if (!swarm) this.#byFile.set(key, (swarm = this.#begin(key, task)));
    return swarm;
  }

  /** A client takes part; one that does already starts afresh. */
  add(swarm: Swarm, client: Client): SwarmMember {
    this.#byMember.set(memberKey(client.taskId, client.cid), swarm);
    return swarm.add(client);
  }

  /** A client takes part no more. */
  remove(taskId: string, cid: string): void {
    const swarm = this.ofMember(taskId, cid);
    if (!swarm) return;
    swarm.task.leave(cid);
    this.#byMember.delete(memberKey(taskId, cid));
    swarm.remove(cid);
    if (swarm.members.size > 0) return;
    swarm.seed.close();
    this.#byFile.delete(swarm.key);
  }

  #begin(key: string, task: Task): Swarm {
    const { length } = task;
    const { random, relief, store, schedules, steadyNow, readAhead, begunElsewhere } =
      this.#options;
    const swarmTask = new SwarmTask({
      blocks: blockCount(length),
      blockBytes: blockBytes(length),
      budget: this.#budgetOf(task),
      random,
      relief,
      onLiar: (node, ids) => this.#foundOut(key, node, ids),
      onGivenUp: (node, id) => this.#givenUp(node, id),
      onFetched: (run, origin) => this.received.fetched(run, length, origin),
    });
    const isHeld = begunElsewhere?.(task) ?? false;
    const seed = new SeedSupply(store, swarmTask, readAhead, isHeld);
    const aside = new SetAside({ store, schedules, steadyNow, swarm: swarmTask });
    return new Swarm({ key, length, task: swarmTask, seed, aside, schedules });
  }

  #givenUp(node: string, id: string): void {
    const text = "silent, failing or slow, say its neighbours";
    this.#observer.problem({ kind: "node given up", node, text });
    log.info("node {node} ({id}) is silent, fails or is slow, say its neighbours", { node, id });
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
    const members = this.#byFile.get(key)?.members;
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
}

function memberKey(taskId: string, cid: string): string {
  return `${taskId} ${cid}`;
}
