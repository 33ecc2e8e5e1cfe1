import { isDeepStrictEqual } from "node:util";
import { parse, type TomlTable } from "smol-toml";
import { ControlError } from "../control_error.ts";
import type { Host, NodeSetup, SetupPlan } from "./plan.ts";

const CONFIG = "/etc/containerd/config.toml";
const HOSTS = "/etc/containerd/certs.d";
/** Docker Hub's registry answers at another name than its images have. */
const SERVERS: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

/** Where the CRI plugin's registries stand, by the version of the configuration. */
const PLUGINS: Readonly<Record<number, string>> = {
  2: "io.containerd.grpc.v1.cri",
  3: "io.containerd.cri.v1.images",
};

/**
 * containerd: dfdaemon as a mirror of each registry, and the registry itself where it does not answer.
 *
 * @throws {ControlError} where the configuration must be changed by hand first
 */
export async function planContainerd(node: NodeSetup, host: Host): Promise<SetupPlan> {
  const before = await host.read(CONFIG);
  const { text, directory } = withConfigPath(before);
  const files = [];
  if (text !== before) files.push({ path: CONFIG, after: text });
  const caFile = `${directory}/dragonfly-ca.crt`;
  if (node.ownAuthority !== undefined) files.push({ path: caFile, after: node.ownAuthority });
  const ca = node.ownAuthority === undefined ? undefined : caFile;
  for (const registry of node.registries) {
    const path = `${directory}/${registry.replace(":", "_")}_/hosts.toml`;
    const plain = `${directory}/${registry}/hosts.toml`;
    // With a port, containerd takes either spelling, and `host_port_` first.
    const used = registry.includes(":") && (await host.read(path)) !== undefined ? path : plain;
    files.push({
      path: used,
      after: withMirror(await host.read(used), { registry, mirror: node.dfdaemon, ca, path: used }),
    });
  }
  return {
    files,
    activate: text === before ? [] : [["systemctl", "restart", "containerd"]],
    notes: [
      `ctr asks the mirrors only with --hosts-dir ${directory}; what comes by CRI, and nerdctl, always`,
    ],
  };
}

/**
 * A configuration of containerd with the directory of its registries in it.
 *
 * @param before its text; `undefined`: there is none
 * @returns the text as it should be, and the directory
 */
export function withConfigPath(before: string | undefined): { text: string; directory: string } {
  const config = before === undefined ? {} : parseConfig(before);
  const given = config.version;
  // One without a version is of version 1, which 1.6 reads and 2.x refuses.
  const isEmpty = Object.keys(config).length === 0;
  const version = typeof given === "number" ? given : isEmpty ? 2 : 1;
  const plugin = PLUGINS[version];
  if (plugin === undefined)
    throw new ControlError(
      `${CONFIG} is of version ${version}: \`containerd config migrate\` makes one of a version that is known here (2, 3)`,
    );
  const registry = table(table(table(config, "plugins"), plugin), "registry");
  if (Object.keys(table(registry, "mirrors")).length > 0)
    throw new ControlError(
      `${CONFIG}: plugins."${plugin}".registry.mirrors excludes what is written here (config_path): move its entries to ${HOSTS}/HOST/hosts.toml first`,
    );
  const path = registry.config_path;
  if (typeof path === "string" && path !== "") {
    // Of several, the first that has a host's directory counts.
    return { text: before!, directory: path.split(":", 1)[0]! };
  }
  const line = `config_path = ${JSON.stringify(HOSTS)}`;
  const text =
    before === undefined || isEmpty
      ? freshConfig(before, registryTable(plugin, line))
      : insert(before, plugin, line);
  checkOnlyThatChanged(config, text, plugin, isEmpty);
  return { text, directory: HOSTS };
}

/** A file without a key, all comments perhaps, is of version 1, which knows no such plugin. */
function freshConfig(before: string | undefined, registry: string): string {
  const kept = before === undefined || before.trim() === "" ? "" : `${before.trimEnd()}\n\n`;
  return `${kept}version = 2\n\n${registry}`;
}

function registryTable(plugin: string, line: string): string {
  return `[plugins."${plugin}".registry]\n  ${line}\n`;
}

/** Puts the line where it belongs, and leaves all others as they are. */
function insert(before: string, plugin: string, line: string): string {
  const lines = before.split("\n");
  const name = plugin.replaceAll(".", "\\.");
  const header = new RegExp(`^\\s*\\[plugins\\.["']${name}["']\\.registry\\]\\s*(#.*)?$`);
  const at = lines.findIndex((one) => header.test(one));
  if (at < 0) return `${before.trimEnd()}\n\n${registryTable(plugin, line)}`;
  const indent = /^\s*/.exec(lines[at]!)![0];
  const end = lines.findIndex((one, index) => index > at && /^\s*\[/.test(one));
  const stop = end < 0 ? lines.length : end;
  const old = lines.findIndex(
    (one, index) => index > at && index < stop && /^\s*config_path\s*=/.test(one),
  );
  if (old >= 0) lines[old] = lines[old]!.replace(/config_path\s*=.*$/, line);
  else lines.splice(at + 1, 0, `${indent}  ${line}`);
  return lines.join("\n");
}

/** TOML may be written in ways that a change of lines does not understand. */
function checkOnlyThatChanged(
  before: TomlTable,
  text: string,
  plugin: string,
  isEmpty: boolean,
): void {
  try {
    const after = parse(text);
    const registry = table(table(table(after, "plugins"), plugin), "registry");
    if (registry.config_path === HOSTS) {
      const original = table(table(table(before, "plugins"), plugin), "registry");
      if (original.config_path === undefined) delete registry.config_path;
      else registry.config_path = original.config_path;
      if (isEmpty || isDeepStrictEqual(withoutEmpty(after), withoutEmpty(before))) return;
    }
  } catch {
    // Said below.
  }
  throw new ControlError(
    `${CONFIG} is written in a way that cannot be changed safely: set plugins."${plugin}".registry.config_path = "${HOSTS}" by hand, then run this again`,
  );
}

function withoutEmpty(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value)
    .map(([key, inner]) => [key, withoutEmpty(inner)] as const)
    .filter(([, inner]) => !isDeepStrictEqual(inner, {}));
  return Object.fromEntries(entries);
}

/** A registry's hosts.toml with a mirror before all others. */
export function withMirror(
  before: string | undefined,
  of: { registry: string; mirror: string; ca: string | undefined; path: string },
): string {
  const { registry, mirror, ca, path } = of;
  const entry = [
    `[host.${JSON.stringify(mirror)}]`,
    '  capabilities = ["pull", "resolve"]',
    ...(ca === undefined ? [] : [`  ca = ${JSON.stringify(ca)}`]),
  ].join("\n");
  if (before === undefined || before.trim() === "") {
    const server = `server = "https://${SERVERS[registry] ?? registry}"`;
    return `# Images of this registry come through dfdaemon on this node. Written by: dfctl setup containerd\n${server}\n\n${entry}\n`;
  }
  let parsed: TomlTable;
  try {
    parsed = parse(before);
  } catch (error) {
    throw new ControlError(`${path}: not valid TOML: ${firstLine(error as Error)}`);
  }
  if (table(table(parsed, "host"), mirror).capabilities !== undefined) return before;
  const lines = before.split("\n");
  const first = lines.findIndex((line) => /^\s*\[/.test(line));
  if (first < 0) return `${before.trimEnd()}\n\n${entry}\n`;
  lines.splice(first, 0, ...entry.split("\n"), "");
  return lines.join("\n");
}

function parseConfig(text: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    throw new ControlError(`${CONFIG}: not valid TOML: ${firstLine(error as Error)}`);
  }
}

function firstLine(error: Error): string {
  return error.message.split("\n", 1)[0]!;
}

/** A table within a table; an empty one where there is none. */
function table(of: TomlTable, key: string): TomlTable {
  const value = of[key];
  const isTable = typeof value === "object" && value !== null && !Array.isArray(value);
  return isTable && !(value instanceof Date) ? (value as TomlTable) : {};
}
