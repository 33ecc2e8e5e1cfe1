import type { TaskSummary } from "../protocol/control/messages.ts";
import { ControlError } from "./control_error.ts";
import { askAll } from "./output.ts";
import type { SupernodeApi } from "./supernode_api.ts";

/** A task, and a supernode that knows it. */
export interface FoundTask {
  supernode: SupernodeApi;
  task: TaskSummary;
}

/**
 * The task that a person means: by its id or the beginning of it, by the digest of a blob or the beginning of that, or by its URL.
 * Several supernodes may know it.
 *
 * @throws {ControlError} where there is none, or more than one
 */
export async function findTask(
  supernodes: readonly SupernodeApi[],
  name: string,
): Promise<FoundTask[]> {
  const answers = await askAll(supernodes, (supernode) => supernode.tasks());
  const found = answers.flatMap(({ supernode, value }) =>
    value.filter((task) => isMeant(task, name)).map((task) => ({ supernode, task })),
  );
  const ids = new Set(found.map(({ task }) => task.id));
  if (ids.size === 1) return found;
  if (ids.size === 0)
    throw new ControlError(`no task "${name}" is known: \`dfctl tasks\` lists those that are`);
  const some = [...ids].slice(0, 5).map((id) => id.slice(0, 16));
  throw new ControlError(
    `"${name}" may be any of ${ids.size} tasks (${some.join(", ")}${ids.size > 5 ? ", …" : ""}): say more of its id`,
  );
}

function isMeant({ id, url }: TaskSummary, name: string): boolean {
  if (id === name || url === name) return true;
  if (/^[0-9a-f]{4,64}$/.test(name) && id.startsWith(name)) return true;
  // Docker and podman show a layer by the beginning of its digest.
  const [, digits] = /^(?:sha256:)?([0-9a-f]{6,64})$/.exec(name) ?? [];
  return digits !== undefined && url.includes(`/blobs/sha256:${digits}`);
}
