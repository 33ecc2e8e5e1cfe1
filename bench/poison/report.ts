import type { Poison } from "../../tests/support/poisoned_node.ts";
import { median } from "../wire/compare.ts";
import type { Poisoned } from "./poisoned_program.ts";

/** What the peer beside the nodes does. */
export type Way = "honest" | Poison | typeof LONE_HOLDER;

/** … of one that has also told the supernode that it holds all, so that nobody is sent to the source. */
export const LONE_HOLDER = "is the only holder and sends a byte a second";

/** One pull on all nodes. */
export interface WayRun {
  way: Way;
  /** Until the last node had the layer. */
  seconds: number;
  /** Times as many bytes as the layer has that the registry sent. */
  egress: number;
  /** Nodes that got something else. */
  wrong: number;
  /** Absent where the peer was honest. */
  poisoned: Poisoned | undefined;
}

/** Times as long as beside an honest node that a pull beside a poisoned peer may take. */
const RATIO_LIMIT = 1.5;
/** Times the layer that the registry may send beside a poisoned peer: blocks that are in doubt are fetched again. */
const EGRESS_LIMIT = 1.6;

/** A line for each way, and one with the worst of them; problems are what should not be. */
export function figures(runs: readonly WayRun[], nodes: number) {
  const ways = [...new Set(runs.map(({ way }) => way))];
  const problems: string[] = [];
  const rows = ways.map((way) => {
    const own = runs.filter((run) => run.way === way);
    const wrong = own.reduce((sum, run) => sum + run.wrong, 0);
    if (wrong > 0) problems.push(`${way}: ${wrong} pulls brought wrong bytes`);
    return { way, own, seconds: median(own.map(({ seconds }) => seconds)) };
  });
  const without = rows.find(({ way }) => way === "honest")!.seconds;
  const poisoned = rows.filter(({ way }) => way !== "honest");
  const worst = poisoned.reduce((a, b) => (b.seconds > a.seconds ? b : a));
  const ratio = worst.seconds / without;
  if (ratio > RATIO_LIMIT)
    problems.push(`a peer that ${worst.way} makes a pull ${ratio.toFixed(2)} times as long`);
  const lines = poisoned.map(({ way, own, seconds }) => {
    const taken = Math.max(...own.map((run) => run.poisoned!.mostTaken));
    const refused = own.filter((run) => run.poisoned!.refused).length;
    const sent = Math.max(...own.map(({ egress }) => egress));
    if (sent > EGRESS_LIMIT)
      problems.push(`${way}: the registry sent ${sent.toFixed(2)} times the layer`);
    return `${way}: ${seconds.toFixed(2)} s, ${(seconds / without).toFixed(2)} times; the registry sent ${sent.toFixed(2)} times the layer at most; a node took ${taken} wrong blocks at most; refused by the supernode ${refused} of ${own.length} times`;
  });
  const spread = (own: readonly WayRun[]) =>
    own.map(({ seconds }) => seconds.toFixed(2)).join(", ");
  const honest = rows.find(({ way }) => way === "honest")!.own;
  lines.push(
    `poison ratio=${ratio.toFixed(2)} (${worst.way}: ${worst.seconds.toFixed(2)} s of ${spread(worst.own)}; honest: ${without.toFixed(2)} s of ${spread(honest)}; ${nodes} nodes beside it)`,
  );
  return { lines, problems };
}
