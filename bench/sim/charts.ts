import { draw, frame, line } from "../line_chart.ts";
import { type Outcomes, seconds } from "./figures.ts";
import { percentile } from "./outcome.ts";
import { GROWTH, RUNS, type RunId } from "./scenarios.ts";

/** Points of a curve. */
const POINTS = 200;
const CURVES: readonly RunId[] = [
  "kraken",
  "large",
  "registry",
  "trouble",
  "spread",
  "rolling",
  "racks",
  "thinnest",
];

/** For each scenario, which part of the nodes was done when, as a multiple of the line's time. */
export function drawCompletion(outcomes: Outcomes): string {
  return draw({
    ...frame("When which part of the nodes was done"),
    grid: { left: 60, right: 30, top: 40, bottom: 190 },
    xAxis: {
      type: "value",
      name: "time, as a multiple of what the narrowest line takes",
      nameLocation: "middle",
      nameGap: 28,
      min: 0.95,
      max: 1.6,
    },
    yAxis: { type: "value", name: "nodes done, %", min: 0, max: 100 },
    series: CURVES.filter((id) => outcomes[id]).map((id) =>
      line(
        RUNS[id].name,
        Array.from({ length: POINTS + 1 }, (_, point) => {
          const ms = percentile(outcomes[id]!.healthyMs, point / POINTS);
          return [ms / 1000 / RUNS[id].idealSeconds, (point / POINTS) * 100];
        }),
      ),
    ),
  });
}

/** Time and egress against the number of nodes. */
export function drawGrowth(outcomes: Outcomes): string {
  const sizes = GROWTH.flatMap((nodes) => {
    const outcome = nodes === RUNS.large.setup.nodes ? outcomes.large : outcomes[growId(nodes)];
    return outcome ? [{ nodes, outcome }] : [];
  });
  const time = (part: number) =>
    sizes.map(({ nodes, outcome }) => [nodes, seconds(outcome.healthyMs, part)]);
  const egress = sizes.map(({ nodes, outcome }) => [nodes, outcome.egress]);
  const { idealSeconds } = RUNS.large;
  return draw({
    ...frame("An image of 1 GB for nodes on 1 Gbit/s"),
    grid: { left: 60, right: 60, top: 50, bottom: 90 },
    xAxis: {
      type: "log",
      name: "nodes",
      nameLocation: "middle",
      nameGap: 28,
      min: 100,
      max: 15_000,
    },
    yAxis: [
      { type: "value", name: "seconds", min: 0, max: 12 },
      { type: "value", name: "egress / image", min: 0, max: 1.2, splitLine: { show: false } },
    ],
    series: [
      line("p50, s", time(0.5), true),
      line("p99, s", time(0.99), true),
      line(
        "at the line's rate, s",
        sizes.map(({ nodes }) => [nodes, idealSeconds]),
      ),
      { ...line("registry egress / image", egress, true), yAxisIndex: 1 },
    ],
  });
}

function growId(nodes: number): RunId {
  return `grow${nodes}` as RunId;
}
