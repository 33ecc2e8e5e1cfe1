import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import type { Command } from "commander";
import { splitPem } from "../runtime/certificates.ts";
import { createDocCommand } from "../runtime/command_doc.ts";
import { collect, createCommand, UsageError, versionLine } from "../runtime/command_line.ts";
import { createCompletionCommand } from "../runtime/completion.ts";
import { runtimeName } from "../runtime/version.ts";
import type { CheckOptions } from "./check.ts";
import { parseSelector } from "./metric_samples.ts";
import { PROGRAMS } from "./programs.ts";
import { parseRange } from "./range.ts";

/** check_dragonfly's flags as typed. */
export interface CheckFlags {
  hostname: string;
  port?: string;
  ssl?: boolean;
  caFile?: string;
  cert?: string;
  key?: string;
  insecure?: boolean;
  timeout: string;
  warning?: string;
  critical?: string;
  certificateWarning: string;
  certificateCritical: string;
  metric?: string[];
}

const DESCRIPTION = [
  "Asks a supernode or dfdaemon whether it lives, whether it may be sent work, and for its metrics.",
  "Ends with 0 (OK), 1 (WARNING: a threshold is passed, or dfdaemon is not ready, and pulls go straight to the registry), 2 (CRITICAL: a threshold is passed, the supernode is not ready, or there is no answer) or 3 (UNKNOWN: wrong use, another program answers, or a metric is missing). Help and version end with 3 as well.",
  "A RANGE is as in all Monitoring Plugins: 10 alerts below 0 and above 10, 10: below 10, ~:10 above 10, 10:20 outside of it, @10:20 inside.",
].join("\n\n");

/** The command line of `check_dragonfly`, by the conventions of the Monitoring Plugins. */
export function checkCommand(run: (program: string, flags: CheckFlags) => Promise<void>): Command {
  const names = Object.keys(PROGRAMS);
  const ports = Object.values(PROGRAMS).map(({ name, port }) => `${name}: ${port}`);
  const program = createCommand("check_dragonfly")
    .summary("check a Dragonfly supernode or dfdaemon, for Icinga and its like")
    .description(DESCRIPTION)
    .argument("<program>", `what to check: ${names.join(" or ")}`)
    .option("-H, --hostname <host>", "name or address of the host", "127.0.0.1")
    .option("-p, --port <port>", `port of the program (default: ${ports.join(", ")})`)
    .option("-S, --ssl", "it is reached by TLS")
    .option("--ca-file <path>", "PEM file to verify its certificate with")
    .option("--cert <path>", "PEM file to show to a program with tls: in its configuration, …")
    .option("--key <path>", "… and its key; takes --ca-file")
    .option("--insecure", "accept any certificate")
    .option("-t, --timeout <seconds>", "CRITICAL when the answers take longer", "10")
    .option("-w, --warning <range>", "WARNING by the seconds that an answer takes")
    .option("-c, --critical <range>", "CRITICAL by the seconds that an answer takes")
    .option(
      "--certificate-warning <range>",
      "WARNING by the days until a certificate of the program expires",
      "14:",
    )
    .option("--certificate-critical <range>", "CRITICAL by these days", "3:")
    .option(
      "-m, --metric <name=warning,critical>",
      `thresholds for any metric, summed over its labels, either may be empty: -m 'dragonfly_supernode_tasks{cdnstatus="FAILED"}=0,5' (repeatable)`,
      collect,
    )
    .version(versionLine("check_dragonfly", runtimeName()), "-V, --version", "show the version")
    .action(run);
  program.addCommand(createDocCommand(program));
  program.addCommand(createCompletionCommand(program));
  return program;
}

/**
 * Makes sense of what was typed.
 *
 * @throws {UsageError} naming the flag that cannot be used
 */
export async function readCheckOptions(name: string, flags: CheckFlags): Promise<CheckOptions> {
  if (!Object.hasOwn(PROGRAMS, name)) {
    throw new UsageError(`no program "${name}": expected ${Object.keys(PROGRAMS).join(" or ")}`);
  }
  const program = PROGRAMS[name as keyof typeof PROGRAMS];
  const port = numberOf("--port", flags.port ?? String(program.port), 1, 65_535);
  const host = isIPv6(flags.hostname) ? `[${flags.hostname}]` : flags.hostname;
  const origin = `${flags.ssl ? "https" : "http"}://${host}:${port}`;
  if (!URL.canParse(origin)) throw new UsageError(`--hostname: "${flags.hostname}" is no host`);
  return {
    program,
    origin,
    mutualTls: mutualTlsOf(flags),
    tls: {
      insecure: flags.insecure,
      ca: flags.caFile ? await readAuthorities(flags.caFile) : undefined,
    },
    timeoutMs: numberOf("--timeout", flags.timeout, 0.001, 3600) * 1000,
    time: {
      warning: range("--warning", flags.warning),
      critical: range("--critical", flags.critical),
    },
    certificate: {
      warning: range("--certificate-warning", flags.certificateWarning),
      critical: range("--certificate-critical", flags.certificateCritical),
    },
    metrics: (flags.metric ?? []).map(readMetric),
  };
}

function mutualTlsOf({ cert, key, caFile, insecure }: CheckFlags): CheckOptions["mutualTls"] {
  if (!cert && !key) return undefined;
  if (!cert || !key) throw new UsageError("--cert and --key go together");
  if (!caFile || insecure) {
    throw new UsageError("--cert takes --ca-file, the authority of the programs' certificates");
  }
  return { cert, key, ca: caFile, verifyHostname: true };
}

/** `name{label="value"}=warning,critical`; the last `=` divides, as labels have some too. */
function readMetric(text: string): CheckOptions["metrics"][number] {
  const at = text.lastIndexOf("=");
  const [warning, critical, ...more] = text.slice(at + 1).split(",");
  if (at < 1 || more.length > 0 || text.endsWith("}")) {
    throw new UsageError(`--metric: "${text}": expected NAME=WARNING,CRITICAL`);
  }
  const selected = text.slice(0, at);
  return {
    text: selected,
    selector: orUsage("--metric", () => parseSelector(selected)),
    warning: range("--metric", warning),
    critical: range("--metric", critical),
  };
}

function range(flag: string, text: string | undefined) {
  return text ? orUsage(flag, () => parseRange(text)) : undefined;
}

function numberOf(flag: string, text: string, least: number, most: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`${flag}: "${text}": expected a number, ${least} to ${most}`);
}

async function readAuthorities(path: string): Promise<string[]> {
  const pem = await readFile(path, "utf8").catch((error: Error) => {
    throw new UsageError(`--ca-file: ${error.message}`);
  });
  const certificates = splitPem(pem);
  if (certificates.length > 0) return certificates;
  throw new UsageError(`--ca-file: ${path}: no certificate in PEM form`);
}

function orUsage<Value>(flag: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw new UsageError(`${flag}: ${(error as Error).message}`);
  }
}
