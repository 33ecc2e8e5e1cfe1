import { ControlError } from "../control_error.ts";
import type { Host, NodeSetup, SetupPlan } from "./plan.ts";

const UNITS = "/etc/systemd/system/docker.service.d";
const DROP_IN = `${UNITS}/dragonfly.conf`;
const DAEMON_JSON = "/etc/docker/daemon.json";

/**
 * docker pulls through dfdaemon as its HTTPS proxy, and trusts it in the registries' place.
 *
 * @throws {ControlError} where docker has another proxy: dfdaemon asks registries itself, not by a proxy
 */
export async function planDocker(node: NodeSetup, host: Host): Promise<SetupPlan> {
  if (node.impersonator === undefined)
    throw new ControlError(
      "docker reaches dfdaemon as a proxy, and dfdaemon shares layers only of hosts in whose place it answers: configure hijack_https in dfdaemon.yml (`dfdaemon gen-ca` makes its certificate)",
    );
  await refuseOtherProxy(host);
  const text = await host.read(DROP_IN);
  const lines = [
    "# dockerd pulls images through dfdaemon on this node. Written by: dfctl setup docker",
    "[Service]",
    `Environment=HTTPS_PROXY=${node.dfdaemon}`,
    "Environment=NO_PROXY=localhost,127.0.0.0/8,::1",
  ];
  const dropIn = `${lines.join("\n")}\n`;
  const trust = node.impersonator;
  return {
    files: [
      { path: DROP_IN, after: dropIn },
      ...node.registries.map((registry) => ({
        path: `/etc/docker/certs.d/${registry}/dragonfly.crt`,
        after: trust,
      })),
    ],
    // Whom to trust it reads at each pull.
    activate:
      text === dropIn
        ? []
        : [
            ["systemctl", "daemon-reload"],
            ["systemctl", "restart", "docker"],
          ],
    notes: node.dfdaemon.startsWith("https:")
      ? ["docker trusts dfdaemon's own certificate only where the host does (ca-certificates)"]
      : [],
  };
}

async function refuseOtherProxy(host: Host): Promise<void> {
  const json = await host.read(DAEMON_JSON);
  if (json !== undefined && /"https?-proxy"\s*:/.test(json))
    throw new ControlError(
      `${DAEMON_JSON} names a proxy ("proxies"), which counts before any other: take it out first; dfdaemon asks registries itself, not by a proxy`,
    );
  for (const name of await host.list(UNITS)) {
    const path = `${UNITS}/${name}`;
    if (path === DROP_IN || !name.endsWith(".conf")) continue;
    if (/^\s*Environment=.*https_proxy=/im.test((await host.read(path)) ?? ""))
      throw new ControlError(
        `${path} names a proxy for docker: take it out first; dfdaemon asks registries itself, not by a proxy`,
      );
  }
}
