import type { Removed, StatusView } from "../../protocol/control/messages.ts";
import { getLogger } from "../../runtime/logger.ts";
import { runtimeName, VERSION } from "../../runtime/version.ts";
import type { Supernode } from "../app.ts";
import type { PreheatJobs } from "../preheat/preheat.ts";
import type { SupernodeConfig } from "../settings.ts";
import { whyAlone } from "../shared/ownership.ts";

const log = getLogger("supernode");

/** How a supernode is, and what it has still to do. */
export async function supernodeStatus(of: {
  core: Supernode;
  jobs: PreheatJobs;
  config: Pick<SupernodeConfig, "cdnPattern">;
  /** Why no own copies can be written; `undefined`: they can. */
  noCopies: string | undefined;
  draining: boolean;
  /** `performance.now()` when it started. */
  startedMs: number;
}): Promise<StatusView> {
  const { core, jobs, config, noCopies, draining, startedMs } = of;
  const [held, freeBytes] = await Promise.all([
    core.cache.totals(),
    // A disk that is broken may not even say that; `noCopies` does.
    core.cache.freeBytes().catch(() => 0),
  ]);
  const { running, waiting } = core.downloads();
  const sharing = core.ownership?.sharing;
  const alone = whyAlone(sharing);
  return {
    version: VERSION,
    runtime: runtimeName(),
    uptimeMs: Math.round(performance.now() - startedMs),
    cdnPattern: config.cdnPattern,
    draining,
    sharing: alone === undefined ? sharing?.state : "alone",
    whyAlone: alone,
    tasks: [...core.store.tasks()].length,
    peers: [...core.store.peers()].length,
    clients: core.views.clients(),
    active: {
      clients: core.views.activeClients(),
      seeds: running + waiting,
      preheats: jobs.active,
    },
    cache: { ...held, freeBytes, unusable: noCopies },
  };
}

/** Forgets a task, and deletes the supernode's own copy of its file. Nodes keep theirs. */
export async function removeTask(
  { store, cache }: Pick<Supernode, "store" | "cache">,
  taskId: string,
): Promise<Removed> {
  const task = store.removeTask(taskId);
  const bytes = await cache.drop(taskId);
  if (task || bytes > 0) log.info("task {task} was removed by an operator", { task: taskId });
  return { task, bytes };
}
