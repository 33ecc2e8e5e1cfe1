import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { createAuthorityFiles } from "../demo/cluster.ts";
import { type AuthorityFiles, dfdaemonConfig, supernodeConfig } from "../demo/configuration.ts";
import type { GeneratedImage } from "../demo/image.ts";
import type { BytesByOrigin } from "../demo/node_metrics.ts";
import { type Program, programCommand } from "../demo/program.ts";
import { REGISTRY_HOST } from "../demo/registry.ts";
import type { BenchContext } from "../run_bench.ts";
import type { Pulled, PullQuestion } from "./pull_program.ts";
import type { RegistryQuestion, RegistryStarted } from "./registry_program.ts";
import type { ShapedHost, ShapedNetwork } from "./shaped_network.ts";

/** Every host has its address for itself: the ports may be the same everywhere. */
const PORT = { registry: 5000, supernode: 8002, proxy: 65001, peer: 15001 };
/** Mbit/s of the supernode's link. */
const SUPERNODE_RATE = 1000;
/** Where the nodes' addresses begin. */
const FIRST_NODE = 11;

export interface FleetOptions {
  context: BenchContext;
  network: ShapedNetwork;
  /** What is pulled, by repository. */
  images: Readonly<Record<string, GeneratedImage>>;
  nodes: number;
  /** Mbit/s of the registry's link and of each node's. */
  rate: number;
  /** Directory for a CPU profile of the first node's dfdaemon. */
  cpuProf?: string | undefined;
}

/** One node: a dfdaemon and a client that pulls, in one namespace. */
export interface FleetNode {
  name: string;
  address: string;
  dfdaemon: Program;
  client: Program;
}

/** Registry, supernode and nodes, each on a host of its own. */
export class Fleet {
  readonly registry: Program;
  readonly supernode: Program;
  readonly nodes: readonly FleetNode[];
  /** Where the registry is. */
  readonly place: RegistryStarted;
  /** `host:port` of the supernode. */
  readonly supernodeNode: string;
  readonly #ca: AuthorityFiles;

  private constructor(
    parts: { registry: Program; supernode: Program; supernodeNode: string; nodes: FleetNode[] },
    place: RegistryStarted,
    ca: AuthorityFiles,
  ) {
    this.registry = parts.registry;
    this.supernode = parts.supernode;
    this.nodes = parts.nodes;
    this.place = place;
    this.supernodeNode = parts.supernodeNode;
    this.#ca = ca;
  }

  /** @throws {ProgramError} when a program does not start */
  static async start(options: FleetOptions): Promise<Fleet> {
    const { context, network, images } = options;
    const { directory } = context;
    const launcher = new Launcher(context);
    const host = await network.host("registry", 1, options.rate);
    const registry = await launcher.ours("registry", "registry_program", host);
    const place = await registry.ask<RegistryStarted>({
      kind: "start",
      hostname: host.address,
      port: PORT.registry,
      repositories: Object.fromEntries(
        Object.entries(images).map(([repository, { directory }]) => [repository, directory]),
      ),
    } satisfies RegistryQuestion);
    const ca = await createAuthorityFiles(directory);
    const registryCa = join(directory, "registry-ca.pem");
    await writeFile(registryCa, place.caCert);

    const tracker = await network.host("supernode", 2, SUPERNODE_RATE);
    const supernode = await launcher.configured("supernode", "supernode", tracker, (home) =>
      supernodeConfig({ address: tracker.address, port: PORT.supernode, home, registry: place }),
    );
    const nodes: FleetNode[] = [];
    for (let number = 1; number <= options.nodes; number++) {
      const name = `node-${number}`;
      const { address, prefix } = await network.host(name, FIRST_NODE - 1 + number, options.rate);
      const dfdaemon = await launcher.configured(
        "dfdaemon",
        name,
        { address, prefix },
        (home) =>
          dfdaemonConfig({
            address,
            port: PORT.proxy,
            peerPort: PORT.peer,
            home,
            supernode: `${tracker.address}:${PORT.supernode}`,
            registry: place,
            registryCa,
            ca,
          }),
        number === 1 ? options.cpuProf : undefined,
      );
      const client = await launcher.ours(`${name}-client`, "pull_program", { address, prefix });
      nodes.push({ name, address, dfdaemon, client });
    }
    await Promise.all(
      nodes.map(async ({ address, dfdaemon, client }) => {
        const url = (host: string, port: number, path: string) => `http://${host}:${port}${path}`;
        await answers(supernode, client, url(tracker.address, PORT.supernode, "/_ping"), context);
        await answers(dfdaemon, client, url(address, PORT.proxy, "/metrics"), context);
      }),
    );
    const supernodeNode = `${tracker.address}:${PORT.supernode}`;
    return new Fleet({ registry, supernode, supernodeNode, nodes }, place, ca);
  }

  /** Has a node pull an image, by its dfdaemon or straight from the registry. */
  pull({ address, client }: FleetNode, repository: string, way: "direct" | "p2p"): Promise<Pulled> {
    const { port, hostname, caCert } = this.place;
    const common = {
      registry: { host: REGISTRY_HOST, port },
      repository,
      reference: "latest",
    };
    return client.ask<Pulled>({
      kind: "pull",
      pull:
        way === "direct"
          ? { ...common, ca: caCert, address: hostname }
          : { ...common, ca: this.#ca.cert, proxy: { hostname: address, port: PORT.proxy } },
    } satisfies PullQuestion);
  }

  /** Where the bytes that a node's dfdaemon has brought came from. */
  origins({ address, client }: FleetNode): Promise<BytesByOrigin> {
    return client.ask<BytesByOrigin>({
      kind: "origins",
      address,
      port: PORT.proxy,
    } satisfies PullQuestion);
  }

  /** Body bytes that the registry has sent so far. */
  egress(): Promise<number> {
    return this.registry.ask<number>({ kind: "egress" } satisfies RegistryQuestion);
  }
}

/** Starts programs on hosts. */
class Launcher {
  readonly #context: BenchContext;

  constructor(context: BenchContext) {
    this.#context = context;
  }

  /** Starts a program that answers questions, bundled beside this one. */
  ours(label: string, name: string, host: ShapedHost): Promise<Program> {
    const file = join(dirname(fileURLToPath(import.meta.url)), `${name}.js`);
    return this.#start(label, [...host.prefix, process.execPath, file], true);
  }

  /** Starts a supernode or dfdaemon on a configuration of its own. */
  async configured(
    name: "supernode" | "dfdaemon",
    label: string,
    host: ShapedHost,
    config: (home: string) => object,
    cpuProf?: string,
  ): Promise<Program> {
    const home = join(this.#context.directory, label);
    await mkdir(home, { recursive: true });
    const file = join(home, `${name}.yml`);
    await writeFile(file, stringify(config(home)));
    const [runtime, ...command] = programCommand(name);
    const flags = cpuProf ? ["--cpu-prof", `--cpu-prof-dir=${cpuProf}`] : [];
    return this.#start(label, [...host.prefix, runtime!, ...flags, ...command, "--config", file]);
  }

  async #start(label: string, command: readonly string[], answers = false): Promise<Program> {
    const { directory, programs, signal } = this.#context;
    signal.throwIfAborted();
    return programs.start({ label, command, log: join(directory, `${label}.log`), answers });
  }
}

/** Resolves when a program answers a client on another host. */
function answers(
  program: Program,
  client: Program,
  url: string,
  { signal }: BenchContext,
): Promise<void> {
  return program.ready(
    () => client.ask<boolean>({ kind: "answers", url } satisfies PullQuestion),
    signal,
  );
}
