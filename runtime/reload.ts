/**
 * Runs `reload` at each SIGHUP, one at a time. What it throws says why the new configuration was
 * refused, and goes to `refused`: the program keeps the one it has.
 */
export function onReload(reload: () => Promise<void>, refused: (reason: string) => void): void {
  let last: Promise<void> = Promise.resolve();
  process.on("SIGHUP", () => {
    last = last.then(reload).catch((error: Error) => refused(error.message));
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
