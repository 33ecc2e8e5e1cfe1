import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePort, freshAddress, type Place } from "./addresses.ts";
import { ourProgram } from "./our_programs.ts";
import { accepts, RunningProgram } from "./process.ts";
import { hostAliases, type Registry } from "./registry.ts";
import type { Scratch } from "./scratch.ts";

export type CdnPattern = "local" | "source";

export interface SupernodeOptions {
  cdnPattern: CdnPattern;
  /** Keys of `base:` beside those that every test needs. */
  base?: Record<string, unknown>;
  /** Whose name the supernode is to find without a resolver. */
  registry?: Registry;
  env?: Readonly<Record<string, string>>;
  /** What the program is started by, such as `unshare …`; the program's own command follows. */
  prefix?: readonly string[];
  /** A module that is loaded into the process before the program. */
  preload?: string;
  /** Where it runs; default: a loopback address of its own. */
  place?: Place;
  /** Where it will listen, when `base` says so; default: a free port of all addresses. */
  at?: { address: string; port: number };
}

/** A supernode process on an address of its own. */
export interface Supernode {
  address: string;
  port: number;
  /** `address:port`, as `--node` takes it. */
  node: string;
  home: string;
  process: RunningProgram;
  /** Ends the process by `signal` and starts it again with the same configuration and cache. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again after it has ended. */
  startAgain(): Promise<void>;
}

/** Starts a supernode and waits until it answers. */
export async function startSupernode(
  scratch: Scratch,
  options: SupernodeOptions,
): Promise<Supernode> {
  const { place } = options;
  const address = place?.address ?? options.at?.address ?? freshAddress();
  // It listens on all addresses, so its ports must be free on all; on a host of its own they are.
  const port = place ? 8002 : (options.at?.port ?? (await freePort("0.0.0.0")));
  const filePort = place ? 8001 : await freePort("0.0.0.0");
  const home = await scratch.directory(`supernode-${address}`);
  const config = join(home, "supernode.yml");
  await writeFile(
    config,
    stringify({
      base: {
        listenPort: port,
        // As operators set it with pattern `source`: v1 clients want the download port open.
        downloadPort: options.cdnPattern === "source" ? port : filePort,
        advertiseIP: address,
        homeDir: home,
        cdnPattern: options.cdnPattern,
        maxBandwidth: "2G",
        ...hostAliases(options.registry),
        ...options.base,
      },
    }),
  );
  const start = async () => {
    const prefix = [...(place?.prefix ?? []), ...(options.prefix ?? [])];
    const command = [...prefix, ...ourProgram("supernode", options.preload), "--config", config];
    const process = RunningProgram.start(scratch, command, { env: options.env ?? {} });
    await process.until("it listens", () => accepts(address, port));
    return process;
  };
  const supernode: Supernode = {
    address,
    port,
    node: `${address}:${port}`,
    home,
    process: await start(),
    restart: async (signal = "SIGTERM") => {
      await supernode.process.stop(signal);
      await supernode.startAgain();
    },
    startAgain: async () => {
      supernode.process = await start();
    },
  };
  return supernode;
}
