import { parse } from "smol-toml";
import { ControlError } from "../control_error.ts";
import type { Host, NodeSetup, SetupPlan } from "./plan.ts";

const DROP_INS = "/etc/containers/registries.conf.d";
const DROP_IN = `${DROP_INS}/dragonfly.conf`;
const MAIN = "/etc/containers/registries.conf";

/**
 * podman, CRI-O, skopeo and buildah: dfdaemon as a mirror of the registry that it mirrors. Where it does not
 * answer, they go to the registry itself.
 *
 * @throws {ControlError} for registries that cannot be had this way
 */
export async function planRegistriesConf(node: NodeSetup, host: Host): Promise<SetupPlan> {
  // These ask a mirror for a path only, and do not say which registry they mean.
  const others = node.registries.filter((registry) => registry !== node.mirrored);
  await refuseOtherEntry(node.mirrored, host);
  const url = new URL(node.dfdaemon);
  const location = `${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}`;
  const text = `# podman and CRI-O pull images of this registry through dfdaemon on this node, and from the registry
# itself where dfdaemon does not answer. Written by: dfctl setup
[[registry]]
location = ${JSON.stringify(node.mirrored)}

[[registry.mirror]]
location = ${JSON.stringify(location)}
${url.protocol === "http:" ? "insecure = true\n" : ""}`;
  return {
    files: [
      { path: DROP_IN, after: text },
      ...(node.ownAuthority === undefined
        ? []
        : [
            { path: `/etc/containers/certs.d/${location}/dragonfly.crt`, after: node.ownAuthority },
          ]),
    ],
    activate: [["systemctl", "try-reload-or-restart", "crio"]],
    notes: [
      "podman, CRI-O, skopeo and buildah all read this; podman has nothing to be restarted",
      ...(others.length > 0
        ? [
            `not set up: ${others.join(", ")}. These engines do not tell a mirror which registry they mean, so they can use dfdaemon for registry_mirror.remote only`,
          ]
        : []),
    ],
  };
}

async function refuseOtherEntry(registry: string, host: Host): Promise<void> {
  const names = (await host.list(DROP_INS)).filter((name) => name.endsWith(".conf"));
  for (const path of [MAIN, ...names.map((name) => `${DROP_INS}/${name}`)]) {
    const text = path === DROP_IN ? undefined : await host.read(path);
    if (text === undefined) continue;
    let entries: unknown;
    try {
      entries = parse(text).registry;
    } catch {
      throw new ControlError(`${path} is not valid TOML: podman could not read it either`);
    }
    const same = (entry: { location?: unknown; prefix?: unknown }) =>
      entry.location === registry || entry.prefix === registry;
    if (Array.isArray(entries) && entries.some(same))
      throw new ControlError(
        `${path} has an entry for ${registry} already, and there can be one only: add dfdaemon as a [[registry.mirror]] there, or take it out`,
      );
  }
}
