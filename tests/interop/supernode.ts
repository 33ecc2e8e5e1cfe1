import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePort, freshAddress } from "../support/addresses.ts";
import { accepts, RunningProgram, until } from "../support/process.ts";
import type { Scratch } from "../support/scratch.ts";
import type { CdnPattern } from "../support/supernode.ts";
import { serveRepository } from "./nginx.ts";
import { type Make, program } from "./v1_programs.ts";

/** A supernode of either make. */
export interface AnySupernode {
  address: string;
  port: number;
  /** `address:port`, as `--node` takes it. */
  node: string;
  /** Ends it at once and starts it again, with the same configuration and cache. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Starts a supernode, and what serves its copies where it does not do that itself. */
export async function startAnySupernode(
  make: Make,
  scratch: Scratch,
  cdnPattern: CdnPattern,
): Promise<AnySupernode> {
  const address = freshAddress();
  // v1's listens on all addresses.
  const port = await freePort("0.0.0.0");
  const downloadPort = cdnPattern === "source" ? port : await freePort("0.0.0.0");
  const homeDir = await scratch.directory(`supernode-${port}`);
  await scratch.directory(`supernode-${port}`, "repo");
  const config = join(homeDir, "supernode.yml");
  // v1's keys, and no others (protocol §6).
  await writeFile(
    config,
    stringify({
      base: {
        listenPort: port,
        downloadPort,
        homeDir,
        cdnPattern,
        advertiseIP: address,
        maxBandwidth: "2G",
        systemReservedBandwidth: "20M",
        failAccessInterval: "1s",
      },
    }),
  );
  let running: RunningProgram;
  const supernode: AnySupernode = {
    address,
    port,
    node: `${address}:${port}`,
    kill: async () => void (await running.stop("SIGKILL")),
    start: async () => {
      running = RunningProgram.start(scratch, [...program(make, "supernode"), "--config", config]);
      await running.until("it answers", () => answersPing(address, port));
    },
  };
  await supernode.start();
  if (!(await accepts(address, downloadPort))) {
    await serveRepository(scratch, { homeDir, address, port: downloadPort });
  }
  return supernode;
}

async function answersPing(address: string, port: number): Promise<boolean> {
  try {
    return (await fetch(`http://${address}:${port}/_ping`)).ok;
  } catch {
    return false;
  }
}

/** Resolves when a supernode that was killed is gone from its port. */
export async function untilGone(supernode: AnySupernode): Promise<void> {
  await until("its port is free", async () => !(await accepts(supernode.address, supernode.port)));
}
