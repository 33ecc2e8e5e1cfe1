import type { PreheatView } from "../../protocol/control/messages.ts";
import type { PreheatJob, PreheatJobs } from "../preheat/preheat.ts";
import { copiedBytes } from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";

/** How far a preheat has come, file by file; `undefined` where it is not known. */
export function describePreheat(
  jobs: Pick<PreheatJobs, "get">,
  store: Pick<TaskStore, "task">,
  id: string,
): PreheatView | undefined {
  const job = jobs.get(id);
  if (!job) return undefined;
  const files = job.type === "file" ? [job] : job.children.map((child) => jobs.get(child));
  return {
    id,
    url: job.url,
    status: job.status,
    error: job.errorMsg,
    files: files.filter((file) => file !== undefined).map((file) => describeFile(file, store)),
  };
}

function describeFile({ id, url, status }: PreheatJob, store: Pick<TaskStore, "task">) {
  // A file's job goes by the id of the task that it becomes.
  const task = store.task(id);
  return { url, status, length: task?.length ?? -1, bytes: task ? copiedBytes(task) : 0 };
}
