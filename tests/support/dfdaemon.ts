import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePort, freshAddress, type Place } from "./addresses.ts";
import type { Authority, CertificateFiles } from "./authority.ts";
import { ourProgram } from "./our_programs.ts";
import { accepts, RunningProgram } from "./process.ts";
import { hostAliases, REGISTRY_NAME, type Registry } from "./registry.ts";
import type { Scratch } from "./scratch.ts";

export interface DfdaemonOptions {
  supernodes: readonly string[];
  registry: Registry;
  /**
   * How clients reach it. By `https` it listens and intercepts with one certificate for itself and the
   * registry, as Wikimedia runs it; by `http` it mints one for the host that is asked for.
   */
  scheme?: "http" | "https";
  /** Signs what the node shows to its clients. */
  authority: Authority;
  rateLimit?: string;
  /** What the program is started by, such as `unshare …`; the program's own command follows. */
  prefix?: readonly string[];
  dfgetFlags?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** A module that is loaded into the process before the program. */
  preload?: string;
  /** Where it runs; default: a loopback address of its own. */
  place?: Place;
  /** Further keys of its configuration, asked for once a node. */
  keys?: () => Promise<Record<string, unknown>>;
  /** Of the proxy, on a host of its own. Default: 65001. */
  port?: number;
}

/** A node: a dfdaemon process with an address and a cache of its own. */
export class Dfdaemon {
  readonly address: string;
  readonly port: number;
  readonly peerPort: number;
  /** Its work home: cache and logs. */
  readonly home: string;
  /** `http://address:port` or `https://…`, as clients name the proxy. */
  readonly url: string;
  /** What it shows by `https`; by `http` what it mints by. */
  readonly identity: CertificateFiles;
  process: RunningProgram;
  readonly #start: () => Promise<RunningProgram>;

  private constructor(
    place: Pick<Dfdaemon, "address" | "port" | "peerPort" | "home" | "url" | "identity">,
    process: RunningProgram,
    start: () => Promise<RunningProgram>,
  ) {
    this.address = place.address;
    this.port = place.port;
    this.peerPort = place.peerPort;
    this.home = place.home;
    this.url = place.url;
    this.identity = place.identity;
    this.process = process;
    this.#start = start;
  }

  /** Starts a node and waits until it listens. */
  static async start(scratch: Scratch, options: DfdaemonOptions): Promise<Dfdaemon> {
    const { registry, authority, place, scheme = "http" } = options;
    const address = place?.address ?? freshAddress();
    // A host of its own has all its ports free.
    const port = place ? (options.port ?? 65001) : await freePort(address);
    const peerPort = place ? 15001 : await freePort(address);
    const home = await scratch.directory(`dfdaemon-${address}`);
    const config = join(home, `dfdaemon-${port}.yml`);
    const identity =
      scheme === "https"
        ? await authority.leaf(address, REGISTRY_NAME, "127.0.0.1", "localhost")
        : authority.files;
    const certs = [registry.authority.files.cert];
    await writeFile(
      config,
      stringify({
        hostIp: address,
        port,
        ...(scheme === "https" ? { certpem: identity.cert, keypem: identity.key } : {}),
        registry_mirror: { remote: `https://${registry.host}`, certs },
        proxies: [{ regx: "blobs/sha256.*" }],
        hijack_https: {
          cert: identity.cert,
          key: identity.key,
          hosts: [{ regx: REGISTRY_NAME.replaceAll(".", "\\."), certs }],
        },
        supernodes: [...options.supernodes],
        ratelimit: options.rateLimit ?? "1G",
        workHome: home,
        dfget_flags: ["--ip", address, "--port", String(peerPort), ...(options.dfgetFlags ?? [])],
        ...hostAliases(registry),
        ...(await options.keys?.()),
      }),
    );
    const start = async () => {
      const prefix = [...(place?.prefix ?? []), ...(options.prefix ?? [])];
      const command = [...prefix, ...ourProgram("dfdaemon", options.preload), "--config", config];
      const process = RunningProgram.start(scratch, command, { env: options.env ?? {} });
      await process.until("it listens", () => accepts(address, port));
      return process;
    };
    const url = `${scheme}://${address}:${port}`;
    const node = { address, port, peerPort, home, url, identity };
    return new Dfdaemon(node, await start(), start);
  }

  /** Ends the process by `signal` and starts it again with the same configuration and cache. */
  async restart(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.process.stop(signal);
    await this.startAgain();
  }

  /** Starts it again after it has ended. */
  async startAgain(): Promise<void> {
    this.process = await this.#start();
  }
}
