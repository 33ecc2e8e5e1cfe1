import { availableParallelism } from "node:os";
import Table from "cli-table3";
import type { BytesByOrigin } from "../demo/node_metrics.ts";
import type { Pulled } from "./pull_program.ts";

/** How one node's pull went. */
export interface NodeTimes extends Pulled {
  name: string;
  address: string;
  /** Where its bytes came from, where a dfdaemon brought them. */
  origins?: BytesByOrigin | undefined;
}

/** Processor seconds of the processes of one kind. */
export interface CpuRow {
  name: string;
  seconds: readonly number[];
}

/** All together at once may take so many times as long as one alone. */
export const TIME_LIMIT = 1.2;
/** What the registry may send at most, as a multiple of the image. */
export const EGRESS_LIMIT = 1.05;

export interface Results {
  alone: Pulled;
  swarm: readonly NodeTimes[];
  direct?: readonly NodeTimes[] | undefined;
  /** What the registry sent to the swarm, as a multiple of the image. */
  egress: number;
}

/** The closing lines, the one with the ratio last, and what is not as it should be. */
export function figures(results: Results): { lines: string[]; problems: string[] } {
  const { alone, swarm, direct, egress } = results;
  const together = slowest(swarm);
  const ratio = together / alone.seconds;
  const lines = [
    `the registry sent ${egress.toFixed(3)} times the image (at most ${EGRESS_LIMIT})`,
  ];
  if (direct) {
    const times = slowest(direct) / alone.seconds;
    lines.push(
      `directly, all at once: ${slowest(direct).toFixed(2)} s, ${times.toFixed(2)} times as long as alone`,
    );
  }
  lines.push(
    `rollout ratio=${ratio.toFixed(3)} (${swarm.length === 1 ? "1 node" : `${swarm.length} nodes`} through dfdaemon ${together.toFixed(2)} s, one alone directly ${alone.seconds.toFixed(2)} s, limit ${TIME_LIMIT}; egress ${egress.toFixed(3)})`,
  );
  const problems: string[] = [];
  const wrong = [...swarm, ...(direct ?? [])].filter((row) => row.verified < row.digests);
  if (wrong.length > 0) problems.push(`wrong bytes on ${wrong.map(({ name }) => name).join(", ")}`);
  if (ratio > TIME_LIMIT)
    problems.push(`all at once take ${ratio.toFixed(2)} times as long as one alone`);
  if (egress > EGRESS_LIMIT)
    problems.push(`the registry sent ${egress.toFixed(3)} times the image`);
  return { lines, problems };
}

/** A line a node. */
export function renderTimes(rows: readonly NodeTimes[]): string {
  const origins = rows.some((row) => row.origins);
  const head = ["node", "half s", "90 % s", "all s", "layer silent s"];
  const table = plainTable([...head, ...(origins ? ["MB from peers", "MB from registry"] : [])]);
  for (const row of rows) {
    const { halfSeconds, mostSeconds, seconds, silentSeconds } = row;
    const times = [halfSeconds, mostSeconds, seconds, silentSeconds].map((s) => s.toFixed(2));
    const { peer, registry } = row.origins ?? { peer: 0, registry: 0 };
    const bytes = [peer, registry].map((count) => (count / 1e6).toFixed(1));
    table.push([row.name, ...times, ...(origins ? bytes : [])]);
  }
  return table.toString();
}

/** Where this machine's processors were spent, of all that there was in `seconds`. */
export function renderCpu(rows: readonly CpuRow[], seconds: number): string {
  const table = plainTable(["processes", "number", "CPU s each", "CPU s together"]);
  let total = 0;
  for (const { name, seconds: each } of rows) {
    const sum = each.reduce((a, b) => a + b, 0);
    total += sum;
    table.push([name, each.length, (sum / each.length).toFixed(2), sum.toFixed(2)]);
  }
  const there = availableParallelism() * seconds;
  return `${table}\nCPU: ${total.toFixed(1)} s of the ${there.toFixed(1)} s of ${availableParallelism()} cores, the kernel's own work for the links not counted`;
}

function slowest(rows: readonly Pulled[]): number {
  return Math.max(...rows.map(({ seconds }) => seconds));
}

function plainTable(head: string[]) {
  return new Table({
    head,
    colAligns: ["left", ...head.slice(1).map(() => "right" as const)],
    style: { head: [], border: [] },
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
  });
}
