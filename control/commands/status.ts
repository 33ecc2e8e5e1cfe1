import type { StatusView } from "../../protocol/control/messages.ts";
import { showBytes, showTime } from "../amounts.ts";
import { findSupernodes, type TargetFlags } from "../find_supernodes.ts";
import { askAll, type OutputFlags, sayJson } from "../output.ts";
import { sayTable } from "../table.ts";

/** `dfctl status`: how the supernodes are, and what they are at. */
export async function showStatus(flags: TargetFlags & OutputFlags): Promise<void> {
  const answers = await askAll(await findSupernodes(flags), (supernode) => supernode.status());
  const shown = answers.map(({ supernode, value }) => ({ supernode: supernode.name, ...value }));
  if (flags.json) sayJson(shown);
  else sayTable(["supernode", ...COLUMNS], shown.map(rowOf));
}

const right = (title: string) => ({ title, right: true }) as const;
const COLUMNS = [
  "state",
  "version",
  right("up"),
  "pattern",
  right("nodes"),
  right("tasks"),
  right("running"),
  right("seeding"),
  right("preheats"),
  right("copies"),
  right("disk free"),
];

function rowOf(status: StatusView & { supernode: string }): string[] {
  const { active, cache } = status;
  return [
    status.supernode,
    stateOf(status),
    status.version,
    showTime(status.uptimeMs),
    status.cdnPattern,
    String(status.peers),
    String(status.tasks),
    String(active.clients),
    String(active.seeds),
    String(active.preheats),
    `${cache.files} (${showBytes(cache.bytes)})`,
    showBytes(cache.freeBytes),
  ];
}

/**
 * Whether work is taken, together with the other supernodes or not, or without a disk for own copies, and whether a
 * supernode that takes none has done what it had.
 */
export function stateOf({
  draining,
  active,
  sharing,
  cache,
}: Pick<StatusView, "draining" | "active" | "sharing" | "cache">): string {
  if (!draining && sharing === "alone") return "alone";
  if (!draining) return cache.unusable === undefined ? "ready" : "no copies";
  return active.clients + active.seeds + active.preheats > 0 ? "draining" : "drained";
}
