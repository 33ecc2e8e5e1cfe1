import { basename } from "node:path";
import type { Transcript } from "./transcript.ts";

/** The node that ran dfget: A, B or C of the recordings. */
const ADDRESSES: Readonly<Record<string, string>> = {
  A: "127.0.0.2",
  B: "127.0.0.3",
  C: "127.0.0.4",
};

/** How dfget was called in a scenario; `md5-wrong` and the like say the rest. */
export interface Call {
  address: string;
  url: string;
  /** Base name of the output. */
  name: string;
  flags: string[];
}

const FLAGS: Readonly<Record<string, string[]>> = {
  "auth-ok": ["--header", "Authorization: Basic dTpw"],
  "md5-wrong": ["--md5", "0".repeat(32)],
  "md5-right": ["--md5", "3e5918c56bfcad7db13d694af0c41641"],
  identifier: ["--identifier", "abc"],
  filter: ["--filter", "sign&key"],
  "pattern-cdn": ["--pattern", "cdn", "--callsystem", "mycall", "--dfdaemon"],
  notbs: ["--notbs"],
};

/** Reads from what the Go dfget printed how it had been called. */
export function readCall({ scenario, dfget_stdout }: Transcript): Call {
  const short = scenario.slice(scenario.indexOf("-") + 1);
  const [first, , workspace] = dfget_stdout;
  const url = first!.split("--  ")[1]!;
  const node = /\/([ABC])\/df$/.exec(workspace!)![1]!;
  return {
    address: ADDRESSES[node]!,
    url,
    name: `${short}-${basename(url)}`,
    flags: FLAGS[short] ?? [],
  };
}

/** Lines that dfget printed, without the values of the moment. */
export function printedForm(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line
      .replace(/^--[\d-]{10} [\d:]{8}--/, "--<time>--")
      .replace(/^workspace:.*/, "workspace:<home>")
      .replace(/^dfget version:.*/, "dfget version:<version>")
      .replace(SIGN, "<sign>")
      .replace(/cost:\d+\.\d{3}s/, "cost:<seconds>s"),
  );
}

/** `<pid>-<seconds>`, in the names of clients and of their files; ours have a secret before it. */
export const SIGN = /(\b[0-9a-f]{32}-)?\d+-\d{10}\.\d{3}/g;
