import { setTimeout as sleep } from "node:timers/promises";
import type { StatusView } from "../../protocol/control/messages.ts";
import { parseDuration } from "../../protocol/duration.ts";
import { UsageError } from "../../runtime/command_line.ts";
import { ControlError } from "../control_error.ts";
import { findSupernodes, type TargetFlags } from "../find_supernodes.ts";
import { whenInterrupted } from "../interrupt.ts";
import { type OutputFlags, say, sayJson } from "../output.ts";
import type { SupernodeApi } from "../supernode_api.ts";
import { stateOf } from "./status.ts";

export interface DrainFlags extends TargetFlags, OutputFlags {
  /** Take work again. */
  undo?: boolean;
  wait?: boolean;
  timeout: string;
}

const LOOK_MS = 1000;

/**
 * `dfctl drain`: a supernode takes no new work from now on, and finishes what it has: new downloads go by
 * the next supernode on the nodes' lists. One at a time, so that nobody empties a whole network by mistake.
 */
export async function drain(flags: DrainFlags): Promise<void> {
  const timeoutMs = parseDuration(flags.timeout);
  if (!timeoutMs)
    throw new UsageError(`--timeout: "${flags.timeout}": expected a duration such as 10m`);
  const supernodes = await findSupernodes(flags);
  const [supernode] = supernodes;
  if (!supernode || supernodes.length > 1)
    throw new UsageError(
      `this would drain ${supernodes.map(({ name }) => name).join(", ")}: name one by --supernode`,
    );
  let status = await supernode.drain(!flags.undo);
  if (flags.wait && !flags.undo) status = await untilDrained(supernode, status, timeoutMs);
  if (flags.json) sayJson({ supernode: supernode.name, ...status });
  else say(`${supernode.name}: ${stateOf(status)}${leftOf(status)}`);
}

async function untilDrained(
  supernode: SupernodeApi,
  begun: StatusView,
  timeoutMs: number,
): Promise<StatusView> {
  const endMs = performance.now() + timeoutMs;
  let status = begun;
  const goesOn = () =>
    `${supernode.name} is not drained yet${leftOf(status)}; it goes on draining, until \`dfctl drain --undo\``;
  const waited = whenInterrupted(goesOn);
  try {
    while (stateOf(status) !== "drained") {
      if (!status.draining)
        throw new ControlError(`${supernode.name} takes work again: somebody has undone it`);
      if (performance.now() > endMs) throw new ControlError(goesOn());
      await sleep(Math.min(LOOK_MS, Math.max(1, endMs - performance.now())));
      status = await supernode.status();
    }
    return status;
  } finally {
    waited();
  }
}

function leftOf({ draining, active }: StatusView): string {
  const left = [
    [active.clients, "downloads"],
    [active.seeds, "own copies"],
    [active.preheats, "preheats"],
  ].filter(([count]) => Number(count) > 0);
  return draining && left.length > 0
    ? `, at work: ${left.map(([count, what]) => `${count} ${what}`).join(", ")}`
    : "";
}
