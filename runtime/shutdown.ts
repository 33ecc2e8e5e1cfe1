/**
 * Runs `stop` once when the process is told to end (SIGTERM, SIGINT), then exits: 0 after SIGTERM,
 * 130 after ctrl-C. A second signal, or `limitMs`, ends it at once.
 */
export function onShutdown(stop: () => Promise<void>, limitMs = 4500): void {
  let stopping = false;
  const handle = (code: number) => () => {
    if (stopping) process.exit(code);
    stopping = true;
    setTimeout(() => process.exit(code), limitMs).unref();
    stop().then(
      () => process.exit(code),
      () => process.exit(1),
    );
  };
  process.on("SIGTERM", handle(0));
  process.on("SIGINT", handle(130));
}
