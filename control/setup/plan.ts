import type { ProxyConfig } from "../../proxy/mod.ts";

/** The engines that can be set up. CRI-O and podman read the same files. */
export const ENGINES = ["docker", "containerd", "crio", "podman"] as const;
export type Engine = (typeof ENGINES)[number];

/** What dfdaemon on this node says of itself, as far as engines must know it. */
export interface NodeSetup {
  /** `http://127.0.0.1:65001`, or `https://…`. */
  dfdaemon: string;
  /** PEM of the authority that dfdaemon's own certificate is signed by; absent: it is reached in the clear. */
  ownAuthority?: string | undefined;
  /** PEM of what must be trusted when dfdaemon answers in a registry's place; absent: it never does. */
  impersonator?: string | undefined;
  /** The registries to pull through it, as images name them. */
  registries: string[];
  /** The one behind requests that name none: `registry_mirror.remote`, as images name it. */
  mirrored: string;
}

/** A file as it is to be; `undefined`: not there. */
export interface FileChange {
  path: string;
  after: string | undefined;
}

/** What an engine's set-up consists of. */
export interface SetupPlan {
  files: FileChange[];
  /** What has the engine read it, as a person would type it; none: it does so by itself. */
  activate: string[][];
  /** What one should know. */
  notes: string[];
}

/** How a set-up reads what is there: below `--root`, and without any other access. */
export interface Host {
  /** The text of a file, or `undefined`. */
  read(path: string): Promise<string | undefined>;
  /** Names in a directory, sorted; none where it is not there. */
  list(path: string): Promise<string[]>;
}

/** The names that Docker Hub's images go by, and where its registry is. */
const HUB_HOSTS = ["index.docker.io", "registry-1.docker.io", "docker.io"];

/** A registry's host as images name it. */
export function asNamed(host: string): string {
  return HUB_HOSTS.includes(host) ? "docker.io" : host;
}

/**
 * The registries that a configuration names: the mirrored one, and hosts that are hijacked, where their
 * pattern is a plain name.
 */
export function registriesOf(config: ProxyConfig): string[] {
  const hijacked = (config.hijack_https?.hosts ?? []).flatMap(({ regx }) => plainHost(regx) ?? []);
  return [
    ...new Set([asNamed(new URL(config.registry_mirror.remote).host), ...hijacked.map(asNamed)]),
  ];
}

/** The host that a pattern stands for, where it stands for one. */
export function plainHost(regx: string): string | undefined {
  const name = regx
    .replace(/^\^|\$$/g, "")
    .replaceAll("\\.", ".")
    .replace(/:443$/, "");
  return /^[a-z0-9][a-z0-9.-]*(:\d+)?$/i.test(name) && /[.:]|^localhost$/.test(name)
    ? name
    : undefined;
}
