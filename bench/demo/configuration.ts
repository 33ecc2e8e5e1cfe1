import { join } from "node:path";
import { REGISTRY_HOST, type RunningRegistry } from "./registry.ts";

/** An authority on disk, to be trusted and to sign with. */
export interface AuthorityFiles {
  cert: string;
  certPath: string;
  keyPath: string;
}

/** Where the registry is. */
export type RegistryPlace = Pick<RunningRegistry, "hostname" | "port" | "url">;

export interface SupernodePlan {
  address: string;
  port: number;
  home: string;
  registry: RegistryPlace;
}

/** The configuration of a supernode whose nodes fetch from the registry themselves. */
export function supernodeConfig({ address, port, home, registry }: SupernodePlan): object {
  return {
    base: {
      listenIp: address,
      advertiseIP: address,
      listenPort: port,
      downloadPort: port,
      homeDir: home,
      cdnPattern: "source",
      hostAliases: { [REGISTRY_HOST]: registry.hostname },
    },
  };
}

export interface DfdaemonPlan {
  address: string;
  /** Of its proxy. */
  port: number;
  peerPort: number;
  home: string;
  /** `host:port`. */
  supernode: string;
  registry: RegistryPlace;
  /** File with the authority that the registry's certificate is from. */
  registryCa: string;
  /** By which it speaks for the registry. */
  ca: AuthorityFiles;
}

/** The configuration of a dfdaemon that intercepts the registry's blobs. */
export function dfdaemonConfig(plan: DfdaemonPlan): object {
  const { address, port, peerPort, home, registry, ca } = plan;
  const certs = [plan.registryCa];
  return {
    hostIp: address,
    port,
    workHome: home,
    ratelimit: "1G",
    supernodes: [plan.supernode],
    dfget_flags: ["--home", join(home, "dfget"), "--ip", address, "--port", String(peerPort)],
    registry_mirror: { remote: registry.url, certs },
    proxies: [{ regx: "blobs/sha256.*" }],
    hijack_https: {
      cert: ca.certPath,
      key: ca.keyPath,
      hosts: [{ regx: `^${REGISTRY_HOST}:${registry.port}$`, certs }],
    },
    hostAliases: { [REGISTRY_HOST]: registry.hostname },
  };
}
