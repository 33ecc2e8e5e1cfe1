import { rm } from "node:fs/promises";
import { REGISTRY_HOST } from "../demo/registry.ts";
import type { BlobQuestion } from "./blob_client.ts";
import { type Authority, createFileAuthority } from "./certificates.ts";
import { type RunningRegistry, startDockerRegistry } from "./docker_registry.ts";
import type { Bench } from "./measure.ts";
import {
  type RunningDfdaemon,
  type RunningSupernode,
  startDfdaemon,
  startSupernode,
} from "./our_programs.ts";

/** Where registry, supernode and nodes are, and what goes before a command to run it there. */
export interface Places {
  registry: Place;
  supernode: Place;
  nodes: readonly Place[];
}

export interface Place {
  address: string;
  prefix?: readonly string[];
}

/** A registry, and nodes that intercept it, cold whenever wanted. */
export class Site {
  readonly registry: RunningRegistry;
  readonly #bench: Bench;
  readonly #places: Places;
  readonly #authority: Authority;
  readonly #byTls: boolean;
  #running: { supernode: RunningSupernode; nodes: RunningDfdaemon[] } | undefined;

  private constructor(
    bench: Bench,
    places: Places,
    registry: RunningRegistry,
    authority: Authority,
    byTls: boolean,
  ) {
    this.#bench = bench;
    this.#places = places;
    this.registry = registry;
    this.#authority = authority;
    this.#byTls = byTls;
  }

  /** @param byTls the nodes themselves are reached by TLS: TLS in TLS */
  static async open(bench: Bench, places: Places, byTls = false): Promise<Site> {
    const authority = await createFileAuthority(bench.directory, "nodes-authority");
    const registry = await startDockerRegistry(bench, places.registry);
    return new Site(bench, places, registry, authority, byTls);
  }

  /** Directory with the authority that clients of the nodes trust, and its certificate. */
  get trust(): string {
    return this.#authority.trust;
  }

  get ca(): string {
    return this.#authority.pem;
  }

  /** How a client asks for a blob: through a node, which must be running, or else the registry itself. */
  blob(repository: string, digest: string, node?: RunningDfdaemon): BlobQuestion {
    const { host, address, authority } = this.registry;
    return {
      host: REGISTRY_HOST,
      port: Number(host.split(":")[1]),
      address,
      path: `/v2/${repository}/blobs/${digest}`,
      ca: node ? this.ca : authority.pem,
      proxy: node && { hostname: node.address, port: node.port },
    };
  }

  get supernode(): RunningSupernode {
    return this.#running!.supernode;
  }

  /**
   * Starts supernode and nodes with empty caches, in place of those that ran.
   *
   * @param ratelimit of each node, bytes a second; absent: more than can be had
   */
  async cold(ratelimit?: string): Promise<RunningDfdaemon[]> {
    await this.stop();
    const { supernode: place, nodes } = this.#places;
    const { hostAliases } = this.registry;
    const supernode = await startSupernode(this.#bench, {
      ...place,
      pattern: "source",
      hostAliases,
    });
    const running = await Promise.all(
      nodes.map(async (node) =>
        startDfdaemon(this.#bench, {
          ...node,
          supernode: supernode.node,
          ...(ratelimit ? { ratelimit } : {}),
          hostAliases,
          hijack: {
            cert: this.#authority.cert,
            key: this.#authority.key,
            hosts: `^${REGISTRY_HOST}:`,
            registryCa: `${this.registry.authority.trust}/ca.crt`,
          },
          ...(this.#byTls ? { tls: await this.#authority.leaf(node.address, "localhost") } : {}),
        }),
      ),
    );
    this.#running = { supernode, nodes: running };
    return running;
  }

  /** Ends everything, the registry too. */
  async close(): Promise<void> {
    await this.stop();
    await this.registry.stop();
  }

  async stop(): Promise<void> {
    if (!this.#running) return;
    const { supernode, nodes } = this.#running;
    this.#running = undefined;
    await Promise.all([supernode, ...nodes].map(({ program }) => program.stop()));
    for (const { home } of [supernode, ...nodes]) await rm(home, { recursive: true, force: true });
  }
}
