import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePort, freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { ourProgram } from "../support/our_programs.ts";
import { accepts, RunningProgram } from "../support/process.ts";
import type { Scratch } from "../support/scratch.ts";
import { startSupernode } from "../support/supernode.ts";
import { ORIGIN_NAME, Origin } from "./origin.ts";

/** A program of ours, where it listens, and where its logs lie. */
export interface Part {
  address: string;
  port: number;
  home: string;
  process: RunningProgram;
}

/** All programs that listen, each with one of its own kind of clients' neighbours. */
export interface Site {
  origin: Origin;
  /** Signs what the nodes show. */
  authority: Authority;
  supernode: Part & { filePort: number };
  /** The proxy by HTTP, and by TLS. */
  plain: Part & { peerPort: number };
  secure: Part;
  /** `dfget server`, and the name of a file that it has. */
  dfget: Part & { file: string };
}

/** Names that are this host, whatever a resolver would say. */
const aliases = (origin: Origin) => ({
  [ORIGIN_NAME]: origin.address,
  "foreign.test": "127.0.0.1",
});
/** MB: a run's log is read to its end. */
const logConfig = { maxSize: 2000 };

export interface SiteOptions {
  /** Of all our programs. */
  env?: Readonly<Record<string, string>>;
  /** A module that is loaded into each of our programs before it. */
  preload?: string;
}

export async function startSite(scratch: Scratch, options: SiteOptions = {}): Promise<Site> {
  const authority = await Authority.create(scratch, "fuzz");
  const origin = await Origin.start(scratch, authority);
  const filePort = await freePort("0.0.0.0");
  const supernode = await startSupernode(scratch, {
    cdnPattern: "local",
    ...options,
    base: {
      downloadPort: filePort,
      hostAliases: aliases(origin),
      logConfig,
      // What generated clients leave behind goes soon, so that memory shows what does not.
      gcInitialDelay: "1s",
      gcMetaInterval: "1s",
      taskExpireTime: "5s",
      peerGCDelay: "5s",
    },
  });
  const start = (tls: boolean) =>
    startDfdaemon(scratch, { origin, authority, supernode, tls, ...options });
  return {
    origin,
    authority,
    supernode: { ...supernode, filePort },
    plain: await start(false),
    secure: await start(true),
    dfget: await startDfgetServer(scratch, origin, options),
  };
}

async function startDfdaemon(
  scratch: Scratch,
  options: SiteOptions & {
    origin: Origin;
    authority: Authority;
    supernode: { node: string };
    tls: boolean;
  },
): Promise<Part & { peerPort: number }> {
  const { origin, authority, supernode, tls, env = {}, preload } = options;
  const address = freshAddress();
  const [port, peerPort] = [await freePort(address), await freePort(address)];
  const home = await scratch.directory(`dfdaemon-${address}`);
  const certs = [authority.files.cert];
  const identity = await authority.leaf(address, ORIGIN_NAME);
  const config = join(home, "dfdaemon.yml");
  await writeFile(
    config,
    stringify({
      hostIp: address,
      port,
      ...(tls ? { certpem: identity.cert, keypem: identity.key } : {}),
      registry_mirror: { remote: `https://${ORIGIN_NAME}:${origin.tlsPort}`, certs },
      proxies: [{ regx: "blobs/sha256.*" }],
      hijack_https: {
        cert: authority.files.cert,
        key: authority.files.key,
        hosts: [{ regx: "origin\\.test", certs }],
      },
      supernodes: [supernode.node],
      workHome: home,
      dfget_flags: ["--ip", address, "--port", String(peerPort)],
      hostAliases: aliases(origin),
      logConfig,
    }),
  );
  const command = [...ourProgram("dfdaemon", preload), "--config", config];
  const process = RunningProgram.start(scratch, command, { env });
  await process.until("it listens", () => accepts(address, port));
  return { address, port, peerPort, home, process };
}

async function startDfgetServer(
  scratch: Scratch,
  origin: Origin,
  { env = {}, preload }: SiteOptions,
): Promise<Site["dfget"]> {
  const address = freshAddress();
  const port = await freePort(address);
  const home = await scratch.directory(`dfget-${address}`);
  const file = "known-1-1700000000.123";
  await mkdir(join(home, "data"));
  await writeFile(join(home, "data", `${file}.service`), origin.blob);
  const command = [
    ...[...ourProgram("dfget", preload), "server", "--ip", address, "--port", String(port)],
    ...["--home", home, "--alivetime", "1h", "--expiretime", "1h"],
  ];
  const process = RunningProgram.start(scratch, command, { env });
  await process.until("it listens", () => accepts(address, port));
  await fetch(`http://${address}:${port}/check/${file}`);
  return { address, port, home, process, file };
}

/** Reads what a program's logs have got since the last time. */
export function logReader({ home }: Part): () => Promise<string> {
  const read = new Map<string, number>();
  return async () => {
    let text = "";
    for (const name of await readdir(join(home, "logs"))) {
      const bytes = await readFile(join(home, "logs", name));
      text += bytes.subarray(read.get(name) ?? 0).toString();
      read.set(name, bytes.length);
    }
    return text;
  };
}
