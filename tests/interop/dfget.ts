import { join } from "node:path";
import { freePort, freshAddress } from "../support/addresses.ts";
import { RunningProgram } from "../support/process.ts";
import type { Scratch } from "../support/scratch.ts";
import { type Make, program } from "./v1_programs.ts";

/** A host on which a dfget of either make runs: an address, a port for its peer server, a work home. */
export interface Host {
  address: string;
  port: number;
  home: string;
}

export async function newHost(scratch: Scratch): Promise<Host> {
  const address = freshAddress();
  const port = await freePort(address);
  return { address, port, home: await scratch.directory(`host-${address}`) };
}

/** A download: where it goes, and dfget at work on it. */
export interface AnyDownload {
  output: string;
  dfget: RunningProgram;
}

let outputs = 0;

/** Starts a dfget, by flags that both makes have. */
export function startAnyDfget(
  make: Make,
  scratch: Scratch,
  host: Host,
  { url, node, flags = [] }: { url: string; node: string; flags?: readonly string[] },
): AnyDownload {
  const output = join(host.home, `output-${outputs++}`);
  const dfget = RunningProgram.start(
    scratch,
    [
      ...program(make, "dfget"),
      ...["--url", url, "--output", output, "--node", node, "--home", host.home],
      ...["--ip", host.address, "--port", String(host.port), "--locallimit", "1G", ...flags],
    ],
    { cwd: host.home },
  );
  return { output, dfget };
}
