/** One line, or one number, of a panel. */
export interface Query {
  /** PromQL; `$instance` and `$__rate_interval` are filled in by Grafana. */
  expr: string;
  /** What the legend says: text, `{{label}}` for a label's value. */
  legend: string;
}

/** Grafana's names of units. */
export type Unit = "Bps" | "bytes" | "s" | "short" | "percentunit" | "reqps" | "none";

export interface Panel {
  title: string;
  /** What it shows, where the title does not say it all. */
  description?: string;
  kind: "stat" | "timeseries";
  unit: Unit;
  queries: readonly Query[];
}

export interface Dashboard {
  uid: string;
  title: string;
  /** The metric by whose `instance` one program is chosen; absent: all are shown. */
  instancesOf?: string;
  panels: readonly Panel[];
}

/** The width of Grafana's grid, and that of the panels on it. */
const GRID = 24;
const SIZES = { stat: { w: 6, h: 4 }, timeseries: { w: 12, h: 8 } } as const;
/** Of the JSON model; Grafana brings it up to date where its own is newer. */
const SCHEMA_VERSION = 39;
const DATA_SOURCE = { type: "prometheus", uid: "$datasource" };

/** A dashboard in Grafana's JSON model; the data source is chosen on the page. */
export function dashboardJson({ uid, title, instancesOf, panels }: Dashboard): string {
  const model = {
    uid,
    title,
    tags: ["dragonfly"],
    timezone: "browser",
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    schemaVersion: SCHEMA_VERSION,
    time: { from: "now-3h", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "Data source", type: "datasource", query: "prometheus" },
        ...(instancesOf ? [instanceVariable(instancesOf)] : []),
      ],
    },
    panels: placed(panels),
  };
  return `${JSON.stringify(model, undefined, 2)}\n`;
}

function instanceVariable(metric: string) {
  const query = `label_values(${metric}, instance)`;
  return {
    name: "instance",
    label: "Node",
    type: "query",
    datasource: DATA_SOURCE,
    definition: query,
    query: { query, refId: "instances" },
    refresh: 2,
    sort: 1,
  };
}

/** Puts panels side by side, row by row, in their order. */
function placed(panels: readonly Panel[]) {
  let [x, y, rowHeight] = [0, 0, 0];
  return panels.map((panel, index) => {
    const { w, h } = SIZES[panel.kind];
    if (x + w > GRID || (x > 0 && h !== rowHeight)) [x, y] = [0, y + rowHeight];
    const gridPos = { x, y, w, h };
    x += w;
    rowHeight = h;
    return { id: index + 1, gridPos, ...panelModel(panel) };
  });
}

function panelModel({ title, description, kind, unit, queries }: Panel) {
  const isStat = kind === "stat";
  return {
    type: kind,
    title,
    ...(description ? { description } : {}),
    datasource: DATA_SOURCE,
    fieldConfig: { defaults: { unit, ...(isStat ? {} : { min: 0 }) }, overrides: [] },
    options: isStat
      ? { reduceOptions: { calcs: ["lastNotNull"] }, colorMode: "none", textMode: "auto" }
      : { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + index),
      datasource: DATA_SOURCE,
      expr,
      legendFormat: legend,
    })),
  };
}
