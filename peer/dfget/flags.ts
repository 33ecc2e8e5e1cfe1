import { type Command, Option } from "commander";
import { collect, collectList, createCommand } from "../../runtime/command_line.ts";

/** dfget's flags as typed by the user (protocol §4); values are checked where they are used. */
export interface DfgetFlags {
  url?: string;
  output?: string;
  locallimit?: string;
  totallimit?: string;
  uploadlimit?: string;
  minrate?: string;
  timeout?: string;
  md5?: string;
  digest?: string;
  identifier?: string;
  callsystem?: string;
  filter?: string;
  header?: string[];
  pattern?: string;
  node?: string;
  notbs?: boolean;
  dfdaemon?: boolean;
  insecure?: boolean;
  cacerts?: string[];
  clientqueue?: string;
  showbar?: boolean;
  console?: boolean;
  verbose?: boolean;
  home?: string;
  ip?: string;
  port?: string;
  expiretime?: string;
  alivetime?: string;
  zone?: string;
  hostAlias?: string[];
  tracing?: string;
  config?: string;
}

/** `--tracing`, which dfget hands on to the peer server that it starts. */
export function tracingOption(): Option {
  return new Option(
    "--tracing <url>",
    "collector to send OpenTelemetry traces to, by OTLP over HTTP (default: none)",
  );
}

/** `--uploadlimit`, which dfget hands on to the peer server that it starts. */
export function uploadLimitOption(): Option {
  return new Option(
    "--uploadlimit <rate>",
    "limit for what this host hands to other nodes (default: none)",
  );
}

/** The command with all of v1's flags, and a few of our own at the end. */
export function createDfgetCommand(name: string): Command {
  return createCommand(name)
    .description("Download a file from its source through other nodes that want it too.")
    .option("-u, --url <url>", "http or https URL of the file")
    .option(
      "-o, --output <path>",
      "where to put the file; - for standard output (default: base name of the URL)",
    )
    .option("-s, --locallimit <rate>", "limit for this download; 0: none (default: 20M)")
    .option("--totallimit <rate>", "limit for all downloads of this host")
    .option(
      "--minrate <rate>",
      "lowest rate of each peer and, without --timeout, of the whole file, by p2p and then from the source (default: 64K)",
    )
    .option("-e, --timeout <duration>", "give up after this time, such as 5m0s (default: never)")
    .option("-m, --md5 <hex>", "md5 the file must have; conflicts with --identifier")
    .option("--digest <sha256:hex>", "sha256 the file must have")
    .option("-i, --identifier <text>", "keeps tasks of the same URL apart; conflicts with --md5")
    .option("--callsystem <name>", "name of the caller, for debugging and metrics")
    .option("-f, --filter <names>", "query parameters that do not matter, as 'a&b'")
    .option("--header <header>", "request header 'Name: value' (repeatable)", collect)
    .addOption(
      new Option(
        "-p, --pattern <pattern>",
        "p2p, cdn (only from the supernode) or source (straight) (default: p2p)",
      ).choices(["p2p", "cdn", "source"]),
    )
    .option("-n, --node <nodes>", "supernodes, host[:8002][=weight], comma separated")
    .option("--notbs", "do not go back to the source when p2p fails")
    .option("--dfdaemon", "the caller is dfdaemon")
    .option("--insecure", "accept any certificate of the source")
    .option(
      "--cacerts <files>",
      "PEM files to verify the source with, comma separated",
      collectList,
    )
    .option("--clientqueue <number>", "pieces processed at once (default: 6)")
    .option("-b, --showbar", "show a progress bar; conflicts with --console")
    .option("--console", "show the log on the console; conflicts with --showbar")
    .option("--verbose", "log more")
    .option("--home <path>", "work home (default: $HOME/.small-dragonfly)")
    .option("--ip <address>", "address that other nodes reach this one at")
    .option("--port <port>", "port of the peer server (default: any free one)")
    .option(
      "--expiretime <duration>",
      "delete a cached file this long after its last use (default: 3m0s)",
    )
    .option(
      "--alivetime <duration>",
      "end the peer server this long after its last request (default: 5m0s)",
    )
    .option(
      "--zone <name>",
      "rack, room or data centre of this node: nodes of the same are preferred",
    )
    .option(
      "--host-alias <name=address>",
      "use this address for that host name (repeatable)",
      collect,
    )
    .addOption(uploadLimitOption())
    .addOption(tracingOption())
    .option("--config <path>", "configuration file (default: /etc/dragonfly/dfget.yml)");
}
