import Table from "cli-table3";
import { type Figure, type Outcomes, ratio, seconds, worst } from "./figures.ts";
import type { ServiceTime } from "./options.ts";
import type { Outcome } from "./outcome.ts";
import { RUNS, type RunId } from "./scenarios.ts";
import { LATENCY_MS } from "./setup.ts";

const HEAD = [
  "run",
  "p50 s",
  "p90 s",
  "p99 s",
  "p99.9 s",
  "half p50 s",
  "silence p50, p99 s",
  "line rate s",
  "egress ×",
  "across racks ×",
  "sent twice %",
  "supernode req/s (peak)",
  "core busy %",
];
const FIGURE_HEAD = ["run", "figure", "", "at most", "figure / limit"];

/** What is assumed, for whoever reads the figures. */
export function assumptions(service: ServiceTime): string[] {
  return [
    `latency one way ${LATENCY_MS.inRack} ms in a rack and ${LATENCY_MS.across} ms across, to the supernode and the registry as well; racks of 40 nodes, each a subnet, without names for the racks, unless said otherwise`,
    "registry link 10 Gbit/s unless said otherwise, shared fairly between its connections; not limited by the line between two racks",
    "uplink, downlink and the line between racks serve block after block at full capacity, at the same time (cut-through)",
    `supernode: one core, ${(service.register * 1000).toFixed(0)} µs a registration (on a connection of its own) and ${(service.heartbeat * 1000).toFixed(0)} µs a heartbeat, measured at the real one (${service.requests.register}, ${service.requests.heartbeat}) on ${service.date}, ${service.machine}, ${service.runtime}`,
    "times are from a node's start to its last block; slow nodes and those that die are not counted",
    "half: when a client could have been given half of a layer, in the file's order; silence: the longest time without more of it; both over all nodes' layers",
    "no bytes are read, hashed or written, so a node has all of its processor for this",
  ];
}

function cells(id: RunId, outcome: Outcome): string[] {
  const { name, idealSeconds } = RUNS[id];
  const { supernode, healthyMs, halfMs, silentMs } = outcome;
  return [
    name,
    ...[0.5, 0.9, 0.99, 0.999].map((part) => seconds(healthyMs, part).toFixed(2)),
    seconds(halfMs, 0.5).toFixed(2),
    [0.5, 0.99].map((part) => seconds(silentMs, part).toFixed(2)).join(", "),
    idealSeconds.toFixed(1),
    outcome.egress.toFixed(4),
    outcome.cross.toFixed(2),
    (outcome.waste * 100).toFixed(2),
    `${supernode.perSecond.toFixed(0)} (${supernode.peakPerSecond})`,
    (supernode.busy * 100).toFixed(1),
  ];
}

function figureCells(figure: Figure): string[] {
  const { run, what, unit, limit } = figure;
  return [
    RUNS[run].name,
    what,
    `${figure.figure.toFixed(3)} ${unit}`.trim(),
    `${limit.toFixed(2)} ${unit}`.trim(),
    ratio(figure).toFixed(3),
  ];
}

function rows(outcomes: Outcomes): string[][] {
  return (Object.entries(outcomes) as [RunId, Outcome][]).map(([id, outcome]) =>
    cells(id, outcome),
  );
}

/** The tables for a terminal. */
export function renderText(outcomes: Outcomes, figures: readonly Figure[]): string {
  const plain = { style: { head: [], border: [] } };
  const measured = new Table({ head: HEAD, ...plain, wordWrap: true, colWidths: [44] });
  measured.push(...rows(outcomes));
  const judged = new Table({ head: FIGURE_HEAD, ...plain, wordWrap: true, colWidths: [44] });
  judged.push(...figures.map(figureCells));
  return `${measured}\n${judged}`;
}

/** The tables in Markdown. */
export function renderMarkdown(outcomes: Outcomes, figures: readonly Figure[]): string {
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  const table = (head: readonly string[], body: readonly string[][]) =>
    [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
  return `${table(HEAD, rows(outcomes))}\n\n${table(FIGURE_HEAD, figures.map(figureCells))}`;
}

/** The last line. */
export function closingLine(figures: readonly Figure[]): string {
  const figure = worst(figures);
  if (!figure) return "sim ratio=0 (nothing was run)";
  const { run, what, unit, limit } = figure;
  return `sim ratio=${ratio(figure).toFixed(3)} (the worst of ${figures.length} figures: ${RUNS[run].name}: ${what} ${figure.figure.toFixed(3)}${unit && ` ${unit}`}, limit ${limit.toFixed(2)}${unit && ` ${unit}`})`;
}
