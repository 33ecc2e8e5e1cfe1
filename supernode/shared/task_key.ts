import { blobDigest, formatDigest } from "../../protocol/digest.ts";
import { taskId } from "../../protocol/task_id.ts";
import { headersFromWire } from "../../protocol/wire_headers.ts";
import type { Task } from "../tasks/task.ts";

/** What of a registration, or of a preheat, says which file is meant. */
export interface FileAsked {
  taskUrl: string;
  md5: string;
  identifier: string;
  /** `"Name:value"` each. */
  headers: readonly string[];
}

/** {@link taskKey} of a task that is known. */
export function keyOfTask({ id, taskUrl }: Pick<Task, "id" | "taskUrl">): string {
  const digest = blobDigest(taskUrl);
  return digest ? formatDigest(digest) : id;
}

/**
 * What several supernodes divide among themselves. Tasks whose URLs name the same blob may share a swarm, so
 * they are one supernode's; of others each is for itself. Known before the source has been asked.
 */
export function taskKey({ taskUrl, md5, identifier, headers }: FileAsked): string {
  const digest = blobDigest(taskUrl);
  if (digest) return formatDigest(digest);
  return taskId({ taskUrl, md5, identifier, headers: headersFromWire(headers) });
}
