import type { BlockRun } from "../../protocol/swarm/blocks.ts";
import type { SourceBudget } from "../schedule/source_budget.ts";
import type { Swarm } from "./swarm.ts";

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

/** For those who look on; `undefined` for one that is no member. */
export function memberState(swarm: Swarm, cid: string): MemberState | undefined {
  const member = swarm.members.get(cid);
  if (!member) return undefined;
  const leases = swarm.task.leasesOf(cid).filter((lease) => lease.done < lease.count);
  return {
    ...member.said,
    blocks: swarm.blocks,
    fetches: leases.map(({ first, count, done }) => ({ first: first + done, count: count - done })),
  };
}

/** @param budgets what the tasks of each registry share, by its host */
export function swarmLoad(
  swarms: Iterable<Swarm>,
  budgets: Iterable<[string, SourceBudget]>,
): SwarmLoad {
  const connections = [...budgets].map(([registry, { used, wanted }]) => ({
    registry,
    used,
    wanted,
  }));
  const load = { downloading: 0, complete: 0, runners: 0, leases: 0, openBlocks: 0, connections };
  for (const { task, members, downloading } of swarms) {
    const { leases, openBlocks } = task.work;
    load.downloading += downloading;
    load.complete += members.size - downloading;
    load.runners += task.runners;
    load.leases += leases;
    if (downloading > 0) load.openBlocks += openBlocks;
  }
  return load;
}
