import { setMaxListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Programs } from "./demo/program.ts";

/** What a benchmark works with; all of it is gone when it ends, however that comes. */
export interface BenchContext {
  /** Takes the files of all programs. */
  directory: string;
  programs: Programs;
  /** Aborted by ctrl-C and the like. */
  signal: AbortSignal;
  /** To be called at the end, in any case; the last one given is called first. Must not fail. */
  atEnd(undo: () => void): void;
}

/** Told to stop by ctrl-C or another signal. */
class Stopped extends Error {
  readonly code: number;
  constructor(code: number) {
    super("stopped");
    this.code = code;
  }
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/**
 * Runs a benchmark and cleans up after it: programs end, then what was promised by
 * {@link BenchContext.atEnd} is done, then the directory goes.
 *
 * @param run resolves to the exit code
 */
export async function runBench(
  name: string,
  run: (context: BenchContext) => Promise<number>,
): Promise<number> {
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const programs = new Programs();
  const undoing: (() => void)[] = [];
  const undo = () => {
    for (let step = undoing.pop(); step; step = undoing.pop()) step();
  };
  const told = (reason: Error) => {
    // The second time means at once.
    if (stop.signal.aborted) programs.kill();
    stop.abort(reason);
  };
  for (const [signal, code] of Object.entries(EXIT_CODES)) {
    process.on(signal, () => told(new Stopped(code)));
  }
  process.on("uncaughtException", told);
  process.on("exit", () => {
    programs.kill();
    undo();
  });
  const directory = await mkdtemp(join(tmpdir(), `dragonfly-${name}-`));
  const stopped = new Promise<never>((_, reject) => {
    stop.signal.addEventListener("abort", () => reject(stop.signal.reason as Error));
  });
  stopped.catch(() => {});
  try {
    const { signal } = stop;
    const context = {
      directory,
      programs,
      signal,
      atEnd: (step: () => void) => void undoing.push(step),
    };
    return await Promise.race([run(context), stopped]);
  } catch (error) {
    const reason = stop.signal.aborted ? stop.signal.reason : error;
    process.stderr.write(`${name}: ${(reason as Error).message}\n`);
    return reason instanceof Stopped ? reason.code : 1;
  } finally {
    stop.abort();
    await programs.stop();
    undo();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
