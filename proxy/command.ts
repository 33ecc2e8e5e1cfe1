import type { Command } from "commander";
import { collectList, createCommand } from "../runtime/command_line.ts";
import { addStandardCommands } from "../runtime/standard_commands.ts";
import { type ConfigSources, FLAG_NAMES } from "./config.ts";
import type { GenCaFlags } from "./gen_ca.ts";
import { SETTABLE, type Settings } from "./settings.ts";

/** dfdaemon's flags as typed (protocol §5). */
interface Flags {
  config?: string;
  node?: string[];
  registry?: string;
  streamMode?: boolean;
  verbose?: boolean;
  [text: string]: string | string[] | boolean | undefined;
}

export interface DfdaemonActions {
  /** Runs dfdaemon. */
  run(sources: ConfigSources): Promise<void>;
  /** Prints the effective configuration. */
  config(sources: ConfigSources): Promise<void>;
  /** Prints the configuration that holds where nothing is configured. */
  defaults(): void;
  /** Says whether the configuration can be used. */
  check(sources: ConfigSources): Promise<void>;
  /** Makes an authority for `hijack_https`. */
  generateAuthority(flags: GenCaFlags): Promise<void>;
}

/** The command line of `dfdaemon`, as v1's reads it (protocol §5). */
export function dfdaemonCommand(actions: DfdaemonActions): Command {
  const program = createCommand("dfdaemon")
    .description("A proxy and registry mirror that pulls images by way of other nodes.")
    .option("--config <path>", "configuration file (default: /etc/dragonfly/dfdaemon.yml)")
    .option("--port <port>", "port to listen on (default: 65001)")
    .option("--hostIp <address>", "address to listen on (default: 127.0.0.1)")
    .option("--certpem <path>", "certificate chain by which dfdaemon is reached by TLS")
    .option("--keypem <path>", "its key")
    .option(
      "--registry <url>",
      "registry to mirror; overrides registry_mirror.remote (default: https://index.docker.io)",
    )
    .option("--node <nodes>", "supernodes, host[:8002][=weight], comma separated", collectList)
    .option("--ratelimit <rate>", "limit of downloads, such as 20M (default: 20M)")
    .option("--workHome <path>", "cache and logs (default: $HOME/.small-dragonfly)")
    .option("--peerPort <port>", "port of the peer server (default: any free one)")
    .option("--localrepo <path>", "accepted for v1's sake; has no effect")
    .option("--dfpath <path>", "accepted for v1's sake; has no effect")
    .option("--streamMode", "accepted for v1's sake; has no effect")
    .option("--maxprocs <number>", "accepted for v1's sake; has no effect")
    .option("--verbose", "log more")
    .action(async (flags: Flags) => actions.run(sourcesOf(flags)));
  const config = program
    .command("config")
    .description("show the configuration in effect, as YAML")
    .action(async () => actions.config(sourcesOf(program.opts<Flags>())));
  config
    .command("default")
    .description("show the default configuration, as YAML")
    .action(() => actions.defaults());
  config
    .command("check")
    .description("say whether this configuration can be used; ends with 1 where it cannot")
    .action(async () => actions.check(sourcesOf(program.opts<Flags>())));
  program
    .command("gen-ca")
    .description("make an authority for hijack_https: certificate and key")
    .option("--cert-output <path>", "where to put the certificate", "/tmp/ca.crt")
    .option("--key-output <path>", "where to put the key", "/tmp/ca.key")
    .option("--common-name <name>", "its common name (default: the host's name)")
    .option("--expire-duration <duration>", "how long it is good for", "87600h")
    .option("--overwrite", "replace files that are there already")
    .action(async (flags: GenCaFlags) => actions.generateAuthority(flags));
  return addStandardCommands(program);
}

/** The flag that goes before a key of dfdaemon.yml, if there is one. */
export function flagOf(key: string): string | undefined {
  const name = SETTABLE.find((one) => one === key && one !== "dfget_flags" && one !== "localIP");
  return name && `--${FLAG_NAMES[name] ?? name}`;
}

/** What was typed, by the names of the settings. */
function sourcesOf(flags: Flags): ConfigSources {
  const { config: file, node, registry, streamMode, verbose, ...texts } = flags;
  const settings: Settings = { ...(texts as Settings) };
  if (node) settings.supernodes = node.join(",");
  if (registry !== undefined) settings["registry_mirror.remote"] = registry;
  if (streamMode !== undefined) settings.streamMode = String(streamMode);
  if (verbose !== undefined) settings.verbose = String(verbose);
  return { file, env: process.env, flags: settings };
}
