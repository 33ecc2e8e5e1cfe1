import type { TaskSummary } from "../../protocol/control/messages.ts";
import { showBytes, showTime } from "../amounts.ts";
import { findSupernodes, type TargetFlags } from "../find_supernodes.ts";
import { askAll, type OutputFlags, say, sayJson } from "../output.ts";
import { sayTable } from "../table.ts";

/** Digits of an id that are shown, and are enough to name it. */
const SHORT_ID = 12;

/** `dfctl tasks`: what is being distributed, the task used last first. */
export async function showTasks(
  flags: TargetFlags & OutputFlags & { filter?: string },
): Promise<void> {
  const answers = await askAll(await findSupernodes(flags), (supernode) => supernode.tasks());
  const tasks = answers
    .flatMap(({ supernode, value }) =>
      value.map((task) => ({ supernode: supernode.name, ...task })),
    )
    .filter(({ url, id }) => !flags.filter || url.includes(flags.filter) || id === flags.filter)
    .sort((a, b) => b.lastAccessMs - a.lastAccessMs);
  if (flags.json) return sayJson(tasks);
  if (tasks.length === 0) return say(flags.filter ? "no such task" : "no task is known");
  const several = new Set(tasks.map(({ supernode }) => supernode)).size > 1;
  const nowMs = Date.now();
  sayTable(
    [
      "task",
      ...(several ? ["supernode"] : []),
      { title: "size", right: true },
      "copy",
      { title: "fetching", right: true },
      { title: "have it", right: true },
      { title: "failed", right: true },
      { title: "used", right: true },
      "url",
    ],
    tasks.map((task) => [
      task.id.slice(0, SHORT_ID),
      ...(several ? [task.supernode] : []),
      showBytes(task.length),
      copyOf(task),
      String(task.clients.waiting + task.clients.running),
      String(task.clients.success),
      String(task.clients.failed),
      `${showTime(nowMs - task.lastAccessMs)} ago`,
      task.url,
    ]),
  );
}

/** The supernode's own copy, in a word. */
export function copyOf({ cdnSource, cdnStatus }: Pick<TaskSummary, "cdnSource" | "cdnStatus">) {
  switch (cdnStatus) {
    case "SUCCESS":
      return "whole";
    case "RUNNING":
      return "coming";
    case "WAITING":
      return cdnSource === "source" ? "-" : "waiting";
    default:
      return "failed";
  }
}
