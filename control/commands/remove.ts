import { showBytes } from "../amounts.ts";
import { findSupernodes, type TargetFlags } from "../find_supernodes.ts";
import { findTask } from "../find_task.ts";
import { askAll, type OutputFlags, say, sayJson } from "../output.ts";

/** A whole task id: it may be forgotten, and its copy still be there. */
const WHOLE_ID = /^[0-9a-f]{64}$/;

/** `dfctl rm TASK`: has the supernodes forget a task, and delete their copies. */
export async function removeTask(
  name: string,
  flags: TargetFlags & OutputFlags & { force?: boolean },
): Promise<void> {
  const all = await findSupernodes(flags);
  const [id, supernodes] = WHOLE_ID.test(name)
    ? ([name, all] as const)
    : await findTask(all, name).then(
        (found) => [found[0]!.task.id, found.map(({ supernode }) => supernode)] as const,
      );
  const answers = await askAll(supernodes, (supernode) =>
    supernode.remove(id, flags.force === true),
  );
  const removed = answers.map(({ supernode, value }) => ({ supernode: supernode.name, ...value }));
  if (flags.json) return sayJson(removed);
  for (const { supernode, task, bytes } of removed) {
    const copy = bytes > 0 ? `its copy of ${showBytes(bytes)} is deleted` : "it had no copy";
    say(`${supernode}: ${task ? "forgot the task" : "did not know the task"}, ${copy}`);
  }
  if (answers.length < supernodes.length) process.exitCode = 2;
}
