import { filterUrl, parseFilter } from "../../protocol/filter_url.ts";
import { taskId } from "../../protocol/task_id.ts";
import type { PreheatRequest } from "../../protocol/v1/preheat.ts";
import type { TlsTrust } from "../../runtime/tls_trust.ts";

/** One file for the supernode to fetch before anyone asks for it. */
export interface PrefetchRequest {
  url: string;
  /** Sent to the source. */
  headers: Readonly<Record<string, string>>;
  /** Query parameters that do not tell one file from another. */
  filter: readonly string[];
  identifier: string;
  /** How to trust the source. */
  tls?: TlsTrust | undefined;
  /** Another supernode asks: it is for this one to fetch it. */
  handedOn?: boolean | undefined;
}

/** Resolves when our copy of the file is complete; rejects when it cannot be had. */
export type Prefetch = (request: PrefetchRequest) => Promise<void>;

/** The file that a preheat request of type `file` names. */
export function fileToPrefetch(request: PreheatRequest): PrefetchRequest {
  const { url, headers, identifier } = request;
  return { url, headers, filter: parseFilter(request.filter), identifier };
}

/** The id of a preheat job: v1 takes that of the task its file becomes. */
export function preheatId(file: PrefetchRequest): string {
  const { headers, identifier } = file;
  return taskId({ taskUrl: filterUrl(file.url, file.filter), identifier, headers });
}
