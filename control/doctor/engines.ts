import { withConfigPath } from "../setup/containerd.ts";
import { type Engine, type Host, registriesOf } from "../setup/plan.ts";
import type { Check, Finding, NodeUnderTest } from "./check.ts";
import { isInstalled } from "./installed.ts";

/** What says that an engine is on this host. */
const SIGNS: readonly (readonly [Engine, program: string])[] = [
  ["docker", "dockerd"],
  ["containerd", "containerd"],
  ["crio", "crio"],
  ["podman", "podman"],
];

/** Whether the container engines on this host pull through dfdaemon. */
export const engines: Check = {
  name: "engine",
  patienceMs: 5000,
  async run(node) {
    const findings: Finding[] = [];
    const here: Engine[] = [];
    for (const [engine, program] of SIGNS)
      if (await isInstalled(node.host, program)) here.push(engine);
    // containerd is docker's own where docker is, and need not be set up.
    const asked = here.includes("docker") ? here.filter((one) => one !== "containerd") : here;
    for (const engine of asked) findings.push(await look(engine, node));
    if (findings.length > 0) return findings;
    return [{ name: "engine", state: "warn", says: "no docker, containerd, CRI-O or podman here" }];
  },
};

async function look(engine: Engine, node: NodeUnderTest): Promise<Finding> {
  const places = await mentions(engine, node);
  const address = new RegExp(
    `(127\\.0\\.0\\.1|localhost|\\[::1\\]|${new URL(node.dfdaemon).hostname.replaceAll(".", "\\.")}):${node.config.port}\\b`,
  );
  for (const [path, text] of places) {
    const line = text.split("\n").find((one) => !/^\s*#/.test(one) && address.test(one));
    if (line === undefined) continue;
    // Engines go by a mirror that does not answer, but not by a proxy.
    if (typeof node.answer === "string" && /proxy/i.test(line))
      return {
        ...{ name: engine, state: "fail", says: `cannot pull: dfdaemon is its proxy (${path})` },
        todo: `start dfdaemon, or take it out: dfctl setup ${engine} --undo`,
      };
    return { name: engine, state: "ok", says: `pulls through dfdaemon (${path})` };
  }
  return {
    ...{ name: engine, state: "warn", says: "does not pull through dfdaemon" },
    todo: `dfctl setup ${engine}`,
  };
}

/** The files by which an engine may be pointed at a proxy or a mirror. */
async function mentions(
  engine: Engine,
  { host, config }: NodeUnderTest,
): Promise<[string, string][]> {
  switch (engine) {
    case "docker":
      return readAll(host, [
        "/etc/docker/daemon.json",
        ...(await confsIn(host, "/etc/systemd/system/docker.service.d")),
        ...(await confsIn(host, "/lib/systemd/system/docker.service.d")),
      ]);
    case "containerd": {
      const text = await host.read("/etc/containerd/config.toml");
      const { text: wanted, directory } = withConfigPath(text);
      // Without the directory in its configuration it does not look there.
      if (text !== undefined && wanted !== text) return [];
      const names = [...registriesOf(config), "_default"];
      return readAll(
        host,
        names.flatMap((name) => [
          `${directory}/${name}/hosts.toml`,
          `${directory}/${name.replace(":", "_")}_/hosts.toml`,
        ]),
      );
    }
    default:
      return readAll(host, [
        "/etc/containers/registries.conf",
        ...(await confsIn(host, "/etc/containers/registries.conf.d")),
        ...(await confsIn(host, "/etc/systemd/system/crio.service.d")),
      ]);
  }
}

async function confsIn(host: Host, directory: string): Promise<string[]> {
  const names = await host.list(directory);
  return names.filter((name) => name.endsWith(".conf")).map((name) => `${directory}/${name}`);
}

async function readAll(host: Host, paths: readonly string[]): Promise<[string, string][]> {
  const texts = await Promise.all(
    paths.map(async (path) => [path, await host.read(path)] as const),
  );
  return texts.filter((one): one is [string, string] => one[1] !== undefined);
}
