import { getLogger } from "../../runtime/logger.ts";
import type { ReadAhead } from "../seed/read_ahead.ts";
import type { SwarmDesk } from "../swarm/swarm_desk.ts";
import { isAtIt, type Task } from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";

export interface GivingWay {
  store: TaskStore;
  swarms: Pick<SwarmDesk, "letGo">;
  readAhead: Pick<ReadAhead, "isFree">;
  /** A clock that nobody sets, ms. */
  steadyNow: () => number;
}

const log = getLogger("supernode");

/**
 * Another supernode has a task by now, as after we were frozen for a while: it leases the file's blocks, and our own
 * copy would ask the source for what the nodes are fetching there. Nodes are let go of, who ask where to go; then the
 * task is forgotten, and with it ends its copy. What v1 clients are at here, or a preheat, goes on.
 *
 * @param owner the other one, `address:port`
 */
export function giveWay(
  { store, swarms, readAhead, steadyNow }: GivingWay,
  task: Task,
  owner: string,
) {
  const letGo = swarms.letGo(task.id);
  const nowMs = steadyNow();
  const isWanted =
    readAhead.isFree(task.id) ||
    [...store.clientsOfTask(task.id)].some((client) => isAtIt(client, nowMs));
  const isForgotten = !isWanted && store.removeTask(task.id);
  if (letGo === 0 && !isForgotten) return;
  log.info("task {task} is ours no more: supernode {owner} has it now; nodes let go: {nodes}", {
    task: task.id,
    owner,
    nodes: letGo,
  });
}
