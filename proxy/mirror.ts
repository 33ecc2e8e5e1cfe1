import type { MirrorRule } from "./rules.ts";

/** Docker Hub goes by several names; its registry answers at the last of them. */
const DOCKER_HUB = ["docker.io", "index.docker.io", "registry-1.docker.io"];
const DOCKER_HUB_REGISTRY = "registry-1.docker.io";

/** What a request to the mirror asks for, at the registry that has it. */
export interface Upstream {
  url: string;
  /** Whether that is the configured `registry_mirror.remote`. */
  isRemote: boolean;
}

/**
 * Finds the registry for a request to dfdaemon itself: `registry_mirror.remote`, unless containerd
 * names another one in `?ns=`, the registry that the image's name says. `ns` itself goes no further.
 *
 * @param target path and query, as the client sent them
 * @returns `undefined` for an `ns` that is no host
 */
export function mirrorUpstream(mirror: MirrorRule, target: string): Upstream | undefined {
  const { rest, ns } = takeNamespace(target);
  if (ns === undefined || sameRegistry(ns, mirror.remote.host)) {
    const prefix = mirror.remote.pathname.replace(/\/$/, "");
    return { url: `${mirror.remote.origin}${prefix}${rest}`, isRemote: true };
  }
  if (!/^(\[[0-9a-f:.]+\]|[\w.-]{1,255})(:\d{1,5})?$/i.test(ns)) return undefined;
  const host = DOCKER_HUB.includes(ns.toLowerCase()) ? DOCKER_HUB_REGISTRY : ns.toLowerCase();
  return { url: `https://${host}${rest}`, isRemote: false };
}

/** Takes `ns` out of the query and leaves the rest byte for byte. */
function takeNamespace(target: string): { rest: string; ns: string | undefined } {
  const mark = target.indexOf("?");
  if (mark < 0) return { rest: target, ns: undefined };
  const pairs = target.slice(mark + 1).split("&");
  const ns = new URLSearchParams(target.slice(mark + 1)).get("ns") || undefined;
  const kept = pairs.filter((pair) => !/^ns(=|$)/.test(pair)).join("&");
  return { rest: target.slice(0, mark) + (kept ? `?${kept}` : ""), ns };
}

function sameRegistry(ns: string, remoteHost: string): boolean {
  const [asked, remote] = [ns.toLowerCase(), remoteHost.toLowerCase()];
  return asked === remote || (DOCKER_HUB.includes(asked) && DOCKER_HUB.includes(remote));
}
