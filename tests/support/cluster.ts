import type { Authority } from "./authority.ts";
import { Dfdaemon, type DfdaemonOptions } from "./dfdaemon.ts";
import type { Registry } from "./registry.ts";
import type { Scratch } from "./scratch.ts";
import { type CdnPattern, type Supernode, startSupernode } from "./supernode.ts";

export interface ClusterOptions
  extends Omit<DfdaemonOptions, "supernodes" | "registry" | "authority" | "keys" | "env"> {
  nodes: number;
  cdnPattern: CdnPattern;
  registry: Registry;
  authority: Authority;
  /** Of the supernode. */
  env?: Readonly<Record<string, string>>;
  nodeEnv?: Readonly<Record<string, string>>;
  /** Further keys of every program's configuration, asked for once each. */
  keys?: () => Promise<Record<string, unknown>>;
  /** What the supernode is started by; `prefix` is the nodes'. */
  supernodePrefix?: readonly string[];
  /** URL of what supernodes share. */
  state?: string;
}

/** A supernode and some nodes, all with empty caches. */
export interface Cluster {
  supernode: Supernode;
  nodes: Dfdaemon[];
  stop(): Promise<void>;
}

export async function startCluster(scratch: Scratch, options: ClusterOptions): Promise<Cluster> {
  const { nodes: count, cdnPattern, registry, env = {}, nodeEnv = {}, state, ...rest } = options;
  const base = { ...(await rest.keys?.()), ...(state && { state }) };
  const prefix = rest.supernodePrefix ?? [];
  const supernode = await startSupernode(scratch, { cdnPattern, registry, env, base, prefix });
  const supernodes = [supernode.node];
  const nodes = await Promise.all(
    Array.from({ length: count }, () =>
      Dfdaemon.start(scratch, { ...rest, env: nodeEnv, registry, supernodes }),
    ),
  );
  return {
    supernode,
    nodes,
    stop: async () => {
      await Promise.all([...nodes.map((node) => node.process.stop()), supernode.process.stop()]);
    },
  };
}
