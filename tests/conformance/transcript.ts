import { readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "transcripts");

/** A body too long to be kept. */
export interface BodyDigest {
  length: number;
  first8_hex: string;
  last4_hex: string;
  md5: string;
}

/** One request of a Go program and the answer it got. */
export interface Exchange {
  /** `supernode`, `cdn` (its file port), or `peer A (127.0.0.2:15001)`. */
  to: string;
  method: string;
  /** Query included. */
  path: string;
  request_headers: Record<string, string>;
  request_json?: unknown;
  request_body?: string;
  status: number;
  response_headers: Record<string, string>;
  /** Exactly one of these three. */
  response_json?: unknown;
  /** One character a byte. */
  response_text?: string;
  response_body?: BodyDigest;
}

/** What happened on the wire in one scenario, and what dfget printed. */
export interface Transcript {
  scenario: string;
  /** The last line is `exit <code>`. */
  dfget_stdout: string[];
  exchanges: Exchange[];
  /** What was sent when the supernode was gone. */
  unanswered: Pick<Exchange, "method" | "path">[];
  /** Whether the recording ends in the middle of the download. */
  cut: boolean;
}

/** How many exchanges were kept of the longest downloads; what came after is not known. */
const CUT_AT = 40;

export type Pattern = "local" | "source";

/** Reads the transcript `name` (`local-tiny`). */
export function readTranscript(name: string): Transcript {
  const read = JSON.parse(transcriptText(`${name}.json`)) as Partial<Transcript>;
  const { exchanges = [], dfget_stdout = [] } = read;
  return {
    scenario: name,
    exchanges: exchanges.filter((exchange) => !("error" in exchange)),
    unanswered: exchanges.filter((exchange) => "error" in exchange),
    dfget_stdout,
    cut: exchanges.length === CUT_AT,
  };
}

/** Reads any other file of the recordings. */
export function transcriptText(file: string): string {
  return readFileSync(join(FOLDER, file), "utf8");
}

/** The parameters of a request, decoded. */
export function parameters(path: string): URLSearchParams {
  return new URLSearchParams(path.split("?", 2)[1] ?? "");
}
