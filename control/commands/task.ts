import type { TaskView } from "../../protocol/control/messages.ts";
import { showBytes, showTime } from "../amounts.ts";
import { findSupernodes, type TargetFlags } from "../find_supernodes.ts";
import { findTask } from "../find_task.ts";
import { askAll, type OutputFlags, outputWidth, say, sayJson } from "../output.ts";
import { ASCII, BLOCKS, drawPieceMap, type Marks } from "../piece_map.ts";
import { copyOf } from "./tasks.ts";

/** Of a terminal that does not say how wide it is. */
const USUAL_WIDTH = 100;

/** `dfctl task ID`: one task, and who holds what of it, as a picture. */
export async function showTask(name: string, flags: TargetFlags & OutputFlags): Promise<void> {
  const found = await findTask(await findSupernodes(flags), name);
  const answers = await askAll(
    found.map(({ supernode }) => supernode),
    (supernode) => supernode.task(found[0]!.task.id),
  );
  const tasks = answers.map(({ supernode, value }) => ({ supernode: supernode.name, ...value }));
  if (flags.json) return sayJson(tasks);
  const marks = speaksUtf8(process.env) ? BLOCKS : ASCII;
  const width = outputWidth() ?? USUAL_WIDTH;
  say(tasks.map((task) => describe(task, marks, width).join("\n")).join("\n\n"));
}

function describe(task: TaskView & { supernode: string }, marks: Marks, width: number): string[] {
  const { clients } = task;
  const nowMs = Date.now();
  const size =
    task.length < 0
      ? "of a length yet unknown"
      : `${showBytes(task.length)} in ${task.pieces} ${task.pieces === 1 ? "piece" : "pieces"}`;
  return [
    `task       ${task.id}`,
    `url        ${task.url}`,
    `supernode  ${task.supernode}, its own copy: ${copyOf(task) === "-" ? "none" : copyOf(task)}`,
    `size       ${size}`,
    `nodes      ${clients.success} have it, ${clients.running + clients.waiting} fetch it, ${clients.failed} failed`,
    `used       ${showTime(nowMs - task.lastAccessMs)} ago, known for ${showTime(nowMs - task.createdMs)}`,
    "",
    ...drawPieceMap(task, { width, marks }),
    "",
    `${marks.held} held   ${marks.part} in part   ${marks.coming} being fetched from outside the swarm   ${marks.nothing} not here`,
  ];
}

/** Whether the terminal shows other characters than ASCII's. */
function speaksUtf8(env: NodeJS.ProcessEnv): boolean {
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || "");
}
