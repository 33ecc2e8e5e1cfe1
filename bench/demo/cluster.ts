import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { createAuthority } from "../../runtime/certificates.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { type AuthorityFiles, dfdaemonConfig, supernodeConfig } from "./configuration.ts";
import { freePort, type LoopbackNetwork } from "./loopback.ts";
import { type Program, type Programs, programCommand } from "./program.ts";
import type { RunningRegistry } from "./registry.ts";

export interface ClusterOptions {
  /** Takes the files of all programs. */
  directory: string;
  /** Where the image is. */
  registry: RunningRegistry;
  nodes: number;
  network: LoopbackNetwork;
  /** Takes the processes started; the caller ends them, also those of a start that failed. */
  programs: Programs;
  signal: AbortSignal;
}

/** One node: a dfdaemon on a loopback address of its own. */
export interface ClusterNode {
  /** `node 1`. */
  name: string;
  address: string;
  /** Port of its proxy. */
  port: number;
  program: Program;
}

/** A supernode and its nodes, running. */
export interface Cluster {
  supernodeUrl: string;
  nodes: readonly ClusterNode[];
  /** The authority that clients of the nodes must trust. */
  ca: AuthorityFiles;
}

/**
 * Starts a supernode and nodes, each with a configuration as an operator would write it, and
 * resolves when every program answers.
 *
 * @throws {ProgramError} when one does not
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const stop = new AbortController();
  const start = new ClusterStart({
    ...options,
    signal: AbortSignal.any([options.signal, stop.signal]),
  });
  try {
    const ca = await start.authority();
    const supernode = await start.supernode();
    const nodes = Array.from({ length: options.nodes }, (_, index) =>
      start.node(index + 1, supernode, ca),
    );
    try {
      return { supernodeUrl: `http://${supernode}`, ca, nodes: await Promise.all(nodes) };
    } catch (error) {
      // Nobody may write below `directory` any more once this has failed.
      stop.abort(error);
      await Promise.allSettled(nodes);
      throw error;
    }
  } finally {
    start.close();
  }
}

class ClusterStart {
  readonly #options: ClusterOptions;
  readonly #http = new HttpClient();
  readonly #registryCa: string;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#registryCa = join(options.directory, "registry-ca.pem");
  }

  close(): void {
    this.#http.close();
  }

  /** Makes the authority by which nodes speak for the registry, and writes down the registry's own. */
  async authority(): Promise<AuthorityFiles> {
    const { directory, registry } = this.#options;
    const files = await createAuthorityFiles(directory);
    await writeFile(this.#registryCa, registry.caCert);
    return files;
  }

  /** Starts the supernode; resolves with its `address:port`. */
  async supernode(): Promise<string> {
    const { directory, network, registry } = this.#options;
    const address = network(2);
    const port = await freePort(address);
    const program = await this.#run(
      "supernode",
      "supernode",
      supernodeConfig({ address, port, home: join(directory, "supernode"), registry }),
    );
    await this.#answers(program, `http://${address}:${port}/_ping`);
    return `${address}:${port}`;
  }

  async node(number: number, supernode: string, ca: AuthorityFiles): Promise<ClusterNode> {
    const { directory, network, registry } = this.#options;
    const name = `node ${number}`;
    const home = join(directory, directoryName(name));
    const address = network(10 + number);
    const port = await freePort(address);
    const peerPort = await freePort(address, port);
    const program = await this.#run(
      "dfdaemon",
      name,
      dfdaemonConfig({
        address,
        port,
        peerPort,
        home,
        supernode,
        registry,
        registryCa: this.#registryCa,
        ca,
      }),
    );
    await this.#answers(program, `http://${address}:${port}/metrics`);
    return { name, address, port, program };
  }

  /** Starts a program on a configuration in a directory of its own. */
  async #run(name: "supernode" | "dfdaemon", label: string, config: object): Promise<Program> {
    const { directory, programs, signal } = this.#options;
    signal.throwIfAborted();
    const home = join(directory, directoryName(label));
    await mkdir(home, { recursive: true });
    const file = join(home, `${name}.yml`);
    await writeFile(file, stringify(config));
    return programs.start({
      label,
      command: [...programCommand(name), "--config", file],
      log: join(home, "output.log"),
    });
  }

  async #answers(program: Program, url: string): Promise<void> {
    await program.ready(async () => {
      const answer = await this.#http.text(url, { idleTimeoutMs: 2000 }).catch(() => undefined);
      return answer?.status === 200;
    }, this.#options.signal);
  }
}

/** Makes the authority by which nodes speak for the registry. */
export async function createAuthorityFiles(directory: string): Promise<AuthorityFiles> {
  const pair = await createAuthority({
    commonName: "demo interception CA",
    days: 7,
    nowMs: Date.now(),
  });
  const certPath = join(directory, "interception-ca.pem");
  const keyPath = join(directory, "interception-ca-key.pem");
  await writeFile(certPath, pair.cert);
  await writeFile(keyPath, pair.key, { mode: 0o600 });
  return { cert: pair.cert, certPath, keyPath };
}

function directoryName(label: string): string {
  return label.replaceAll(" ", "-");
}
