import type { Logger } from "./logger.ts";

/**
 * Says what went wrong in a request in a way that nobody has foreseen, and where: the client is told
 * "internal error" and no more.
 */
export function logUnforeseen(
  log: Logger,
  request: { method: string; path: string },
  error: Error,
): void {
  const { method, path } = request;
  log.error("internal error in {method} {path}: {error}", {
    method,
    path,
    error: (error.stack ?? error.message).replace(/\s*\n\s*/g, " "),
  });
}
