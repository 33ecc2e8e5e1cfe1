import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../demo/loopback.ts";
import type { Bench } from "./measure.ts";
import { answers, ourCommand } from "./our_programs.ts";

/** A host with its peer server running, which hands on what dfget brings. */
export interface DfgetHost {
  address: string;
  home: string;
  /** dfget on this host, without limits. */
  command(
    url: string,
    output: string,
    supernode: string,
    digest?: string,
    more?: string[],
  ): string[];
  /** Resolves when the host holds no file any more. */
  empty(): Promise<void>;
}

/**
 * Starts a host's peer server.
 *
 * @param expire when files go that nobody uses; they are told to the supernode as gone
 * @param flags of the peer server
 */
export async function startDfgetHost(
  bench: Bench,
  address: string,
  expire = "1h0m0s",
  flags: readonly string[] = [],
): Promise<DfgetHost> {
  const port = await freePort(address);
  const home = join(bench.directory, `host-${address}`);
  await mkdir(join(home, "data"), { recursive: true });
  const place = ["--ip", address, "--port", String(port), "--home", home];
  const program = bench.programs.start({
    label: `dfget server ${address}`,
    command: [
      ...ourCommand(bench, "dfget"),
      ...["server", ...place, "--expiretime", expire, "--alivetime", "5h0m0s", ...flags],
    ],
    log: join(home, "server.log"),
  });
  await answers(bench, program, `http://${address}:${port}/server/ping`);
  return {
    address,
    home,
    command: (url, output, supernode, digest, more = []) => [
      ...ourCommand(bench, "dfget"),
      ...["-u", url, "-o", output, "--node", supernode, "--locallimit", "0", ...place],
      ...(digest ? ["--digest", `sha256:${digest}`] : []),
      ...more,
    ],
    async empty() {
      const data = join(home, "data");
      while (existsSync(data) && (await readdir(data)).length > 0) {
        bench.signal.throwIfAborted();
        await sleep(100);
      }
    },
  };
}
