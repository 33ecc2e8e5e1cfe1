import { dfgetConfigSchema } from "../peer/dfget/settings.ts";
import { flagOf as dfdaemonFlag } from "../proxy/command.ts";
import { proxyConfigSchema } from "../proxy/settings.ts";
import { flagOf as supernodeFlag } from "../supernode/command.ts";
import { supernodeFileSchema } from "../supernode/settings.ts";
import { type ConfigKey, configKeys } from "./config_keys.ts";
import { table } from "./table.ts";

const INTRODUCTION = `# Configuration reference

Every key of the three files in \`/etc/dragonfly/\`. How they work together, with flags and variables, and what
stands behind some of them is in [configuration.md](../configuration.md).

★: ours, v1 does not know it. Rates are bytes a second and sizes bytes: \`20M\`, \`20MB\`, \`64K\`, \`1G\`, \`512B\`
or a bare number, by powers of 1024. Durations are as in Go: \`3m0s\`, \`20s\`, \`1.5h\`.

This page is generated from the schemas by which the programs read the files: \`npm run reference\` writes it.
`;

/** dfget's flags, by the keys that they go before. */
const DFGET_FLAGS: Readonly<Record<string, string>> = {
  nodes: "--node",
  localLimit: "--locallimit",
  totalLimit: "--totallimit",
  minRate: "--minrate",
  clientQueueSize: "--clientqueue",
  workHome: "--home",
  zone: "--zone",
  hostAliases: "--host-alias",
};

/** A configuration file: its schema, and the flag that goes before a key. */
interface ConfigFile {
  name: string;
  readBy: string;
  schema: Parameters<typeof configKeys>[0];
  flagOf: (path: string) => string | undefined;
}

export const CONFIG_FILES: readonly ConfigFile[] = [
  {
    name: "supernode.yml",
    readBy:
      "Read by `supernode`. A key's variable is `SUPERNODE_BASE_` and the key in capitals: `SUPERNODE_BASE_LISTENPORT`.",
    schema: supernodeFileSchema,
    flagOf: (path) => supernodeFlag(path.replace(/^base\./, "")),
  },
  {
    name: "dfget.yml",
    readBy: "Read by `dfget`, and by `dfdaemon` for the peer inside it.",
    schema: dfgetConfigSchema,
    flagOf: (path) => DFGET_FLAGS[path],
  },
  {
    name: "dfdaemon.yml",
    readBy:
      "Read by `dfdaemon`. Keys with a flag have a variable, too: `DFDAEMON_` and the key in capitals, `_` for the dot: `DFDAEMON_REGISTRY_MIRROR_REMOTE`.",
    schema: proxyConfigSchema,
    flagOf: dfdaemonFlag,
  },
];

/** The reference of all configuration keys, as Markdown. */
export function configPage(): string {
  const sections = CONFIG_FILES.map(({ name, readBy, schema, flagOf }) => {
    const rows = configKeys(schema).map((key) => row(key, flagOf(key.path)));
    return `## ${name}\n\n${readBy}\n\n${table(["key", "type", "default", "flag", "what"], rows)}`;
  });
  return [INTRODUCTION, ...sections].join("\n");
}

function row({ path, ours, type, default: given, what }: ConfigKey, flag?: string): string[] {
  return [`\`${path}\`${ours ? " ★" : ""}`, type, given, flag ? `\`${flag}\`` : "", what];
}
