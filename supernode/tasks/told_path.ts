import type { Client } from "./task.ts";

/** A client's path as others are told it: v1's as it gave it, ours with a pass that expires. */
export function toldPath(
  { path, pathKey }: Pick<Client, "path" | "pathKey">,
  nowMs: number,
): string {
  return pathKey ? `${path}/${pathKey.pass(path, nowMs)}` : path;
}
