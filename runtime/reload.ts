import type { Logger } from "./logger.ts";

/**
 * Runs `reload` at each SIGHUP, one at a time, and says in `log` what came of it. What it throws is why the
 * new configuration was refused: the program keeps the one it has.
 *
 * @param reload resolves to the keys of what has changed and waits for a restart
 */
export function onReload(log: Logger, reload: () => Promise<readonly string[]>): void {
  const run = async () => {
    try {
      const waiting = await reload();
      log.info("configuration reloaded");
      if (waiting.length === 0) return;
      log.warn("takes effect with the next start: {keys}", { keys: waiting.join(", ") });
    } catch (error) {
      const reason = (error as Error).message;
      log.error("configuration not reloaded, the old one stays: {reason}", { reason });
    }
  };
  let last = Promise.resolve();
  process.on("SIGHUP", () => {
    last = last.then(run);
  });
}

/** The keys whose values differ, as JSON sees them. */
export function changedKeys<Key extends string>(
  keys: readonly Key[],
  before: { readonly [K in Key]?: unknown },
  after: { readonly [K in Key]?: unknown },
): Key[] {
  return keys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
}
