import type { PreheatJob } from "../preheat/preheat.ts";
import { copiedBytes, type Task } from "../tasks/task.ts";
import type { PreheatView } from "./messages.ts";
import { withoutQueries } from "./recorder.ts";
import { imageName, shownUrl } from "./shown_url.ts";

/**
 * How far a preheat has come.
 *
 * @param files the job itself for a file, its children for an image
 * @param task the file's task: a job's id is that of the task its file becomes (protocol §1, Preheat)
 */
export function preheatView(
  job: PreheatJob,
  files: readonly PreheatJob[],
  task: (id: string) => Task | undefined,
): PreheatView {
  let bytes = 0;
  let bytesDone = 0;
  for (const { id, status } of files) {
    const known = task(id);
    if (!known || known.length < 0) continue;
    bytes += known.length;
    bytesDone += status === "SUCCESS" ? known.length : copiedBytes(known);
  }
  return {
    type: job.type,
    name: job.type === "image" ? imageName(job.url) : shownUrl(job.url),
    status: job.status,
    filesDone: files.filter(({ status }) => status === "SUCCESS").length,
    files: files.length,
    bytesDone,
    bytes,
    startMs: job.startMs,
    finishMs: job.finishMs,
    error: withoutQueries(job.errorMsg),
  };
}
