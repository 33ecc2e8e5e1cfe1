/**
 * Ends a command that only waits, when somebody has waited enough (ctrl-C, SIGTERM): with a word on what goes on
 * without it, and the exit code that a shell gives to a signal.
 *
 * @param leave puts the terminal right, and returns that word
 * @returns what to call when the waiting is over
 */
export function whenInterrupted(leave: () => string): () => void {
  const end = (signal: NodeJS.Signals) => {
    process.stderr.write(`dfctl: ${leave()}\n`);
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.on("SIGINT", end).on("SIGTERM", end);
  return () => process.off("SIGINT", end).off("SIGTERM", end);
}
