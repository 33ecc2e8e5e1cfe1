import { freshAddress } from "./addresses.ts";
import { ourProgram } from "./our_programs.ts";
import { RunningProgram, type StartOptions } from "./process.ts";
import type { Scratch } from "./scratch.ts";

/** A host on which people run dfget: an address and a home directory. */
export interface DfgetHost {
  address: string;
  home: string;
}

export async function dfgetHost(scratch: Scratch): Promise<DfgetHost> {
  const address = freshAddress();
  return { address, home: await scratch.directory(`dfget-${address}`) };
}

/** Starts dfget on a host, as `--ip` and `--home` make it. */
export function startDfget(
  scratch: Scratch,
  host: DfgetHost,
  args: readonly string[],
  options: StartOptions = {},
): RunningProgram {
  return RunningProgram.start(
    scratch,
    [...ourProgram("dfget"), "--ip", host.address, "--home", host.home, ...args],
    { cwd: host.home, ...options },
  );
}
