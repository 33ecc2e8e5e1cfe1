import Table from "cli-table3";
import { pieceCount } from "../../protocol/piece_range.ts";
import { pieceSize } from "../../protocol/piece_size.ts";
import { blockCount } from "../../protocol/swarm/blocks.ts";

/** How the downloads of one file went. */
export interface SizeResult {
  /** Bytes. */
  bytes: number;
  engines: number;
  verified: number;
  /** Until the last engine had it, s. */
  seconds: number;
  /** Requests that the supernode answered, by route. */
  requests: Readonly<Record<string, number>>;
  /** Body bytes that the source sent. */
  egress: number;
}

/** What the source may send at most, as a multiple of the file. */
export const EGRESS_LIMIT = 1.05;
/** Requests of a node besides its heartbeats: it registers, and tells how it went. */
const ONCE = 3;
/** Heartbeats a second at most, on the average of all nodes. */
const BEATS_A_SECOND = 1.25;
/** Requests that v1 sends for each piece: it pulls, and reports success by two ways. */
const V1_PER_PIECE = 2;

/** What a node may ask of the supernode in so many seconds, whatever the size of the file. */
export function requestLimit(seconds: number): number {
  return ONCE + BEATS_A_SECOND * seconds;
}

export function requestsPerNode({ requests, engines }: SizeResult): number {
  return Object.values(requests).reduce((sum, count) => sum + count, 0) / engines;
}

export function renderResults(results: readonly SizeResult[]): string {
  const table = new Table({
    head: [
      "MB",
      "blocks",
      "s",
      "registrations",
      "heartbeats",
      "other",
      "all",
      "limit",
      "v1",
      "egress",
    ],
    colAligns: Array.from({ length: 10 }, () => "right" as const),
    style: { head: [], border: [] },
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
  });
  for (const result of results) {
    const { bytes, engines, seconds, requests, egress } = result;
    const each = (count: number) => (count / engines).toFixed(2);
    const { "/peer/registry": joins = 0, "/swarm/heartbeat": beats = 0 } = requests;
    const all = requestsPerNode(result);
    const size = pieceSize(bytes);
    table.push([
      (bytes / 1e6).toFixed(0),
      blockCount(bytes),
      seconds.toFixed(1),
      each(joins),
      each(beats),
      (all - (joins + beats) / engines).toFixed(2),
      all.toFixed(2),
      requestLimit(seconds).toFixed(1),
      `≥ ${V1_PER_PIECE * pieceCount({ pieceSize: size, framed: false, length: bytes })}`,
      (egress / bytes).toFixed(3),
    ]);
  }
  return `requests to the supernode, a node:\n${table}`;
}

/** The closing line, and what is not as it should be. */
export function figures(results: readonly SizeResult[]): { line: string; problems: string[] } {
  const problems: string[] = [];
  let ratio = 0;
  for (const result of results) {
    const { bytes, engines, verified, seconds, egress } = result;
    const name = `${(bytes / 1e6).toFixed(0)} MB`;
    if (verified < engines) problems.push(`${name}: wrong bytes at ${engines - verified} engines`);
    const factor = egress / bytes;
    if (factor > EGRESS_LIMIT)
      problems.push(`${name}: the source sent ${factor.toFixed(3)} times the file`);
    const requests = requestsPerNode(result);
    if (requests > requestLimit(seconds))
      problems.push(`${name}: ${requests.toFixed(1)} requests a node in ${seconds.toFixed(1)} s`);
    ratio = Math.max(ratio, factor / EGRESS_LIMIT, requests / requestLimit(seconds));
  }
  const each = results.map(
    (result) =>
      `${(result.bytes / 1e6).toFixed(0)} MB ${requestsPerNode(result).toFixed(1)} requests a node, egress ${(result.egress / result.bytes).toFixed(3)}`,
  );
  return { line: `engines ratio=${ratio.toFixed(3)} (${each.join("; ")})`, problems };
}
