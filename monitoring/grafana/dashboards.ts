import type { Dashboard, Panel, Query } from "./panel.ts";

const SUPERNODES = 'job="dragonfly-supernode"';
const NODES = 'job="dragonfly-dfdaemon"';
const NODE = `${NODES},instance="$instance"`;

/** Of the whole: what registries send, what nodes get from each other, and what goes wrong. */
const FLEET: Dashboard = {
  uid: "dragonfly-fleet",
  title: "Dragonfly: all nodes",
  panels: [
    stat("Supernodes that answer", "none", `sum(up{${SUPERNODES}})`),
    {
      ...stat("Nodes", "none", `sum(up{${NODES}})`),
      queries: [
        { expr: `sum(up{${NODES}})`, legend: "answer" },
        { expr: "sum(dragonfly_dfdaemon_ready)", legend: "can use p2p" },
      ],
    },
    stat(
      "Not from a registry, last hour",
      "percentunit",
      `1 - sum(increase(dragonfly_dfdaemon_bytes_total{origin="registry"}[1h]))
        / sum(increase(dragonfly_dfdaemon_bytes_total[1h]))`,
      "Of the bytes that nodes got, the part that came from peers, from the supernode or out of their own caches",
    ),
    stat(
      "Times that registries send a byte, last hour",
      "short",
      `(sum(increase(dragonfly_dfdaemon_bytes_total{origin="registry"}[1h]))
        + sum(increase(dragonfly_supernode_source_bytes_total[1h])))
        / sum(increase(dragonfly_supernode_tasks_registered_bytes_total[1h]))`,
      "Bytes that registries have sent, by bytes of the files asked for; about 1, whatever the number of nodes",
    ),
    lines("Bytes of blobs, by where they came from", "Bps", [
      by("origin", "rate(dragonfly_dfdaemon_bytes_total[$__rate_interval])"),
    ]),
    lines("Sent by registries", "Bps", [
      {
        expr: `sum(rate(dragonfly_dfdaemon_bytes_total{origin="registry"}[$__rate_interval]))`,
        legend: "to nodes",
      },
      {
        expr: "sum(rate(dragonfly_supernode_source_bytes_total[$__rate_interval]))",
        legend: "to supernodes",
      },
      {
        expr: "sum(rate(dragonfly_supernode_tasks_registered_bytes_total[$__rate_interval]))",
        legend: "each byte once",
      },
    ]),
    lines("Blobs that went straight to the registry", "reqps", [
      by("reason", "rate(dragonfly_dfdaemon_fallbacks_total[$__rate_interval])"),
    ]),
    lines("Requests that failed", "reqps", [
      by("reason", "rate(dragonfly_dfdaemon_failed_requests_total[$__rate_interval])"),
    ]),
    firstByte(""),
    lines("Nodes at work", "none", [
      { expr: "sum(dragonfly_dfdaemon_active_tasks)", legend: "files being fetched" },
      { expr: `sum(dragonfly_supernode_swarm_members{state="downloading"})`, legend: "in swarms" },
      { expr: "sum(dragonfly_supernode_swarm_runners)", legend: "fetch from outside" },
    ]),
    lines("Work of the supernodes", "none", [
      { expr: "sum(dragonfly_supernode_swarm_leases)", legend: "leases held" },
      { expr: "sum(dragonfly_supernode_swarm_open_blocks)", legend: "blocks to lease" },
      by("state", "dragonfly_supernode_source_downloads", "own copies: {{state}}"),
    ]),
    lines("Connections to registries, of swarms", "none", [
      {
        expr: "sum by (registry, state) (dragonfly_supernode_source_connections)",
        legend: "{{registry}}: {{state}}",
      },
    ]),
    lines("Tasks, by the state of the supernode's copy", "none", [
      by("cdnstatus", "dragonfly_supernode_tasks"),
    ]),
    lines("Answers of the supernodes", "reqps", [
      by("code", "rate(dragonfly_supernode_http_requests_total[$__rate_interval])"),
    ]),
    lines("Time that the supernodes take for an answer", "s", [
      quantile(0.5, "dragonfly_supernode_http_request_duration_seconds_bucket"),
      quantile(0.99, "dragonfly_supernode_http_request_duration_seconds_bucket"),
    ]),
    lines("Nodes that go straight to the registry most, last hour", "none", [
      {
        expr: "topk(10, sum by (instance) (increase(dragonfly_dfdaemon_fallbacks_total[1h])))",
        legend: "{{instance}}",
      },
    ]),
    lines("Room on the fullest disks", "bytes", [
      { expr: "dragonfly_supernode_cache_free_bytes", legend: "supernode {{instance}}" },
      { expr: "bottomk(10, dragonfly_dfdaemon_cache_free_bytes)", legend: "{{instance}}" },
    ]),
    lines("Memory of the supernodes", "bytes", [
      { expr: `process_resident_memory_bytes{${SUPERNODES}}`, legend: "{{instance}}" },
    ]),
    lines("Processors that the supernodes use", "short", [
      {
        expr: `rate(process_cpu_seconds_total{${SUPERNODES}}[$__rate_interval])`,
        legend: "{{instance}}",
      },
    ]),
  ],
};

const ONE_NODE: Dashboard = {
  uid: "dragonfly-node",
  title: "Dragonfly: one node",
  instancesOf: "dragonfly_dfdaemon_build_info",
  panels: [
    {
      ...stat("This node", "none", `up{${NODE}}`),
      queries: [
        { expr: `up{${NODE}}`, legend: "answers" },
        { expr: `dragonfly_dfdaemon_ready{${NODE}}`, legend: "can use p2p" },
      ],
    },
    stat("Files being fetched", "none", `dragonfly_dfdaemon_active_tasks{${NODE}}`),
    stat("Files in the cache", "none", `dragonfly_dfdaemon_cache_files{${NODE}}`),
    stat(
      "First certificate expires in",
      "s",
      `min(dragonfly_dfdaemon_certificate_expiry_timestamp_seconds{${NODE}}) - time()`,
    ),
    lines("Bytes of blobs, by where they came from", "Bps", [
      by("origin", `rate(dragonfly_dfdaemon_bytes_total{${NODE}}[$__rate_interval])`),
    ]),
    lines("Handed on to other nodes", "Bps", [
      {
        expr: `rate(dragonfly_dfdaemon_served_bytes_total{${NODE}}[$__rate_interval])`,
        legend: "bytes",
      },
    ]),
    lines("Blobs that went straight to the registry", "reqps", [
      by("reason", `rate(dragonfly_dfdaemon_fallbacks_total{${NODE}}[$__rate_interval])`),
    ]),
    lines("Requests that failed", "reqps", [
      by("reason", `rate(dragonfly_dfdaemon_failed_requests_total{${NODE}}[$__rate_interval])`),
      {
        expr: `rate(dragonfly_dfdaemon_verification_failures_total{${NODE}}[$__rate_interval])`,
        legend: "digest differs",
      },
    ]),
    firstByte(`{${NODE}}`),
    lines("Cache", "bytes", [
      { expr: `dragonfly_dfdaemon_cache_size_bytes{${NODE}}`, legend: "used" },
      { expr: `dragonfly_dfdaemon_cache_free_bytes{${NODE}}`, legend: "free on its disk" },
    ]),
    lines("Memory", "bytes", [
      { expr: `process_resident_memory_bytes{${NODE}}`, legend: "resident" },
    ]),
    lines("Processors", "short", [
      { expr: `rate(process_cpu_seconds_total{${NODE}}[$__rate_interval])`, legend: "used" },
    ]),
    lines("Open files", "none", [{ expr: `process_open_fds{${NODE}}`, legend: "open" }]),
  ],
};

/** By the names of their files in `packaging/grafana/`. */
export const DASHBOARDS: Readonly<Record<string, Dashboard>> = {
  "fleet.json": FLEET,
  "node.json": ONE_NODE,
};

function stat(title: string, unit: Panel["unit"], expr: string, description?: string): Panel {
  const queries = [{ expr: expr.replace(/\s+/g, " "), legend: "" }];
  return { title, kind: "stat", unit, queries, ...(description ? { description } : {}) };
}

function lines(title: string, unit: Panel["unit"], queries: readonly Query[]): Panel {
  return { title, kind: "timeseries", unit, queries };
}

/** A line for each value of a label. */
function by(label: string, expr: string, legend = `{{${label}}}`): Query {
  return { expr: `sum by (${label}) (${expr})`, legend };
}

function quantile(share: number, buckets: string): Query {
  const expr = `histogram_quantile(${share}, sum by (le) (rate(${buckets}[$__rate_interval])))`;
  return { expr, legend: `${100 * share} % below` };
}

/** @param selector of the nodes */
function firstByte(selector: string): Panel {
  const buckets = `dragonfly_dfdaemon_first_byte_duration_seconds_bucket${selector}`;
  const queries = [0.5, 0.95, 0.99].map((share) => quantile(share, buckets));
  return lines("Time to the first byte of a blob", "s", queries);
}
