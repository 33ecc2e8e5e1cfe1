import { setTimeout as sleep } from "node:timers/promises";
import type { Finished, RunningProgram } from "../support/process.ts";

/** How a program ended; `undefined` where it was still running after so many milliseconds, and was ended. */
export async function finishedWithin(
  program: RunningProgram,
  limitMs: number,
): Promise<Finished | undefined> {
  const late = new AbortController();
  const finished = await Promise.race([
    program.finished(),
    sleep(limitMs, undefined, { signal: late.signal }),
  ]);
  late.abort();
  if (!finished) await program.stop("SIGKILL");
  return finished ?? undefined;
}
