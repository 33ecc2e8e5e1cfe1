import { type Command, InvalidArgumentError } from "commander";
import { createCommand } from "../runtime/command_line.ts";
import { addStandardCommands } from "../runtime/standard_commands.ts";
import { type ConfigSources, DEFAULT_CONFIG_FILE, settingFromText } from "./config.ts";
import { formatSetting, keyOf, type SettingName, type SupernodeConfig } from "./settings.ts";

/** v1's flags, what each takes, and the setting behind it; switches take nothing. */
const FLAGS: readonly [flag: string, takes: string, setting: SettingName, help: string][] = [
  ["--advertise-ip", "ip", "advertiseIp", "the IPv4 address that peers know this supernode by"],
  [
    "--cdn-pattern",
    "pattern",
    "cdnPattern",
    'where nodes get a file from at first: "local" or "source"',
  ],
  ["-D, --debug", "", "debug", "debug messages in the log"],
  ["--down-limit", "n", "peerDownLimit", "pieces that one client fetches at once"],
  ["--download-port", "port", "downloadPort", "port of our copies; may be the same as --port"],
  [
    "--fail-access-interval",
    "duration",
    "failAccessIntervalMs",
    "how long a source that failed is not asked again",
  ],
  [
    "--gc-initial-delay",
    "duration",
    "gcInitialDelayMs",
    "from the start to the first garbage collection",
  ],
  ["--gc-meta-interval", "duration", "gcMetaIntervalMs", "between collections of tasks and peers"],
  ["--home-dir", "path", "homeDir", "working directory: cache and log"],
  ["--max-bandwidth", "rate", "maxBandwidth", "bytes a second that the supernode may use"],
  [
    "--peer-gc-delay",
    "duration",
    "peerGcDelayMs",
    "a peer is forgotten so long after it went offline",
  ],
  ["--pool-size", "n", "schedulerCorePoolSize", "downloads from sources at once"],
  ["--port", "port", "listenPort", "port of the API"],
  ["--profiler", "", "enableProfiler", "let /debug/pprof answer"],
  ["--system-bandwidth", "rate", "systemReservedBandwidth", "bytes a second to leave alone"],
  [
    "--task-expire-time",
    "duration",
    "taskExpireMs",
    "a task nobody asks about for so long is forgotten",
  ],
  ["--up-limit", "n", "peerUpLimit", "pieces that one peer serves at once"],
];

export interface SupernodeActions {
  /** Runs the supernode. */
  run(sources: ConfigSources): Promise<void>;
  /** Prints the effective configuration. */
  config(sources: ConfigSources): Promise<void>;
  /** Prints the configuration that holds where nothing is configured. */
  defaults(): void;
  /** Says whether the configuration can be used. */
  check(sources: ConfigSources): Promise<void>;
}

/** The command line of `supernode`, as v1's reads it. */
export function supernodeCommand(actions: SupernodeActions): Command {
  const program = withFlags(createCommand("supernode"))
    .description("Tracker, scheduler and first copy of a peer-to-peer network for large files.")
    .action((flags) => actions.run(sourcesOf(flags)));
  const config = withFlags(createCommand("config"))
    .description("print the configuration that the file, the environment and these flags give")
    .action((_flags, command) => actions.config(sourcesOf(command.optsWithGlobals())));
  config.addCommand(
    createCommand("default")
      .description("print the default configuration")
      .action(() => actions.defaults()),
  );
  config.addCommand(
    withFlags(createCommand("check"))
      .description("say whether this configuration can be used; ends with 1 where it cannot")
      .action((_flags, command) => actions.check(sourcesOf(command.optsWithGlobals()))),
  );
  program.addCommand(config);
  return addStandardCommands(program);
}

function withFlags(command: Command): Command {
  command.option("--config <path>", `configuration file (default: ${DEFAULT_CONFIG_FILE})`);
  for (const [flag, takes, name, help] of FLAGS) {
    if (takes === "") command.option(flag, help);
    else {
      const described = `${help} (default: ${formatSetting(name) || "none"})`;
      command.option(`${flag} <${takes}>`, described, (text: string) => readFlag(name, text));
    }
  }
  return command;
}

/** The flag that goes before a key of `base:`, if there is one. */
export function flagOf(key: string): string | undefined {
  return FLAGS.find(([, , setting]) => keyOf(setting) === key)?.[0].replace(/^.*(?=--)/, "");
}

function readFlag(name: SettingName, text: string) {
  try {
    return settingFromText(name, text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** What was typed, by the names of the settings. */
function sourcesOf(options: Record<string, unknown>): ConfigSources {
  const entries = FLAGS.map(([flag, , name]) => {
    const long = flag.replace(/^.*--/, "");
    const key = long.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    return [name, options[key]] as const;
  }).filter(([, value]) => value !== undefined);
  return {
    file: options.config as string | undefined,
    env: process.env,
    flags: Object.fromEntries(entries) as Partial<SupernodeConfig>,
  };
}
