import { Hono } from "hono";
import { expect, test } from "vitest";
import { HttpClient } from "../runtime/http_client.ts";
import { serve } from "../runtime/serve.ts";
import { SupernodeMetrics } from "./metrics.ts";
import { SeedCache } from "./seed/cache.ts";
import { TaskStore } from "./tasks/task_store.ts";

/** The lines of one metric, `name{labels} value` each. */
async function lines(metrics: SupernodeMetrics, name: string): Promise<string[]> {
  const text = await metrics.registry.metrics();
  return text.split("\n").filter((line) => line.startsWith(name));
}

/** A supernode with these tasks, a copy of 5 and one of 7 bytes, and downloads from sources. */
function having(store: TaskStore): Parameters<SupernodeMetrics["gauges"]["watch"]>[0] {
  const cache = new SeedCache("/nowhere");
  cache.list = async () => [5, 7].map((bytes) => ({ taskId: `${bytes}`, bytes, lastAccessMs: 0 }));
  cache.freeBytes = async () => 9;
  const connections = Array.from({ length: 60 }, (_, used) => {
    return { registry: used === 59 ? "" : `r${used}:443`, used, wanted: 32 };
  });
  const swarms = { downloading: 4, complete: 6, runners: 3, leases: 5, openBlocks: 8, connections };
  return {
    store,
    cache,
    downloads: () => ({ running: 2, waiting: 3 }),
    swarmLoad: () => swarms,
  };
}

/** v1's metrics (protocol §7 and what v1.0.6 shows), and ours. */
const TYPES = {
  dragonfly_supernode_cache_free_bytes: "gauge",
  dragonfly_supernode_source_connections: "gauge",
  dragonfly_supernode_swarm_leases: "gauge",
  dragonfly_supernode_swarm_members: "gauge",
  dragonfly_supernode_swarm_open_blocks: "gauge",
  dragonfly_supernode_swarm_runners: "gauge",
  dragonfly_supernode_tasks_registered_bytes_total: "counter",
  dragonfly_dfget_download_duration_seconds: "histogram",
  dragonfly_dfget_download_failed_total: "counter",
  dragonfly_dfget_download_size_bytes_total: "counter",
  dragonfly_dfget_download_total: "counter",
  dragonfly_supernode_build_info: "gauge",
  dragonfly_supernode_cache_size_bytes: "gauge",
  dragonfly_supernode_cdn_cache_hit_total: "counter",
  dragonfly_supernode_cdn_download_failed_total: "counter",
  dragonfly_supernode_cdn_download_total: "counter",
  dragonfly_supernode_cdn_trigger_failed_total: "counter",
  dragonfly_supernode_cdn_trigger_total: "counter",
  dragonfly_supernode_dfgettasks: "gauge",
  dragonfly_supernode_dfgettasks_failed_total: "counter",
  dragonfly_supernode_dfgettasks_registered_total: "counter",
  dragonfly_supernode_gc_disks_total: "counter",
  dragonfly_supernode_gc_peers_total: "counter",
  dragonfly_supernode_gc_tasks_total: "counter",
  dragonfly_supernode_http_request_duration_seconds: "histogram",
  dragonfly_supernode_http_request_size_bytes: "histogram",
  dragonfly_supernode_http_requests_total: "counter",
  dragonfly_supernode_http_response_size_bytes: "histogram",
  dragonfly_supernode_last_gc_disks_timestamp_seconds: "gauge",
  dragonfly_supernode_peers: "gauge",
  dragonfly_supernode_pieces_downloaded_size_bytes_total: "counter",
  dragonfly_supernode_schedule_duration_milliseconds: "histogram",
  dragonfly_supernode_served_bytes_total: "counter",
  dragonfly_supernode_source_bytes_total: "counter",
  dragonfly_supernode_node_bytes_total: "counter",
  dragonfly_supernode_source_downloads: "gauge",
  dragonfly_supernode_tasks: "gauge",
  dragonfly_supernode_tasks_registered_total: "counter",
};

test("every name of v1's dashboards is there, with its type", async () => {
  const metrics = new SupernodeMetrics();
  metrics.gauges.watch(having(new TaskStore(() => 0)));
  const types = await lines(metrics, "# TYPE dragonfly_");
  expect(types.sort()).toEqual(
    Object.entries(TYPES)
      .map(([name, type]) => `# TYPE ${name} ${type}`)
      .sort(),
  );
});

test("reports of clients are counted by call system and peer", async () => {
  const metrics = new SupernodeMetrics();
  const report = {
    IP: "127.0.0.2",
    cID: "c",
    callSystem: "mine",
    backsourceReason: "0",
    duration: 1.5,
    fileLength: 10,
    port: 15001,
    success: true,
    taskId: "t",
  };
  metrics.downloadReported(report);
  metrics.downloadReported({ ...report, success: false, backsourceReason: "3" });
  metrics.downloadReported({ ...report, success: false, IP: "<script>", backsourceReason: "x y" });
  expect(await lines(metrics, "dragonfly_dfget_download_total")).toEqual([
    'dragonfly_dfget_download_total{callsystem="mine",peer="127.0.0.2"} 2',
    'dragonfly_dfget_download_total{callsystem="mine",peer=""} 1',
  ]);
  expect(await lines(metrics, "dragonfly_dfget_download_size_bytes_total")).toEqual([
    'dragonfly_dfget_download_size_bytes_total{callsystem="mine",peer="127.0.0.2"} 10',
  ]);
  expect(await lines(metrics, "dragonfly_dfget_download_failed_total")).toEqual([
    'dragonfly_dfget_download_failed_total{callsystem="mine",peer="127.0.0.2",reason="3"} 1',
    'dragonfly_dfget_download_failed_total{callsystem="mine",peer="",reason=""} 1',
  ]);
  expect(await lines(metrics, "dragonfly_dfget_download_duration_seconds_sum")).toEqual([
    'dragonfly_dfget_download_duration_seconds_sum{callsystem="mine",peer="127.0.0.2"} 1.5',
  ]);
});

test("call systems beyond the hundredth are counted together", async () => {
  const metrics = new SupernodeMetrics();
  for (let i = 0; i < 150; i++) metrics.clientRegistered(`system ${i}`);
  const counted = await lines(metrics, "dragonfly_supernode_dfgettasks_registered_total");
  expect(counted).toHaveLength(101);
  expect(counted.at(-1)).toContain('callsystem="(other)"} 50');
});

test("gauges say what swarms and the cache are at, and counters how much was asked for", async () => {
  const metrics = new SupernodeMetrics();
  metrics.gauges.watch(having(new TaskStore(() => 0)));
  metrics.taskRegistered(100);
  metrics.taskRegistered(-1);
  const found = Object.keys(TYPES).flatMap((name) => lines(metrics, name));
  expect((await Promise.all(found)).flat()).toEqual(
    expect.arrayContaining([
      "dragonfly_supernode_cache_free_bytes 9",
      "dragonfly_supernode_cache_size_bytes 12",
      'dragonfly_supernode_swarm_members{state="downloading"} 4',
      'dragonfly_supernode_swarm_members{state="complete"} 6',
      "dragonfly_supernode_swarm_runners 3",
      "dragonfly_supernode_swarm_leases 5",
      "dragonfly_supernode_swarm_open_blocks 8",
      "dragonfly_supernode_tasks_registered_bytes_total 100",
      "dragonfly_supernode_tasks_registered_total 2",
      'dragonfly_supernode_source_connections{registry="(own copies)",state="used"} 59',
      'dragonfly_supernode_source_connections{registry="r58:443",state="used"} 58',
      'dragonfly_supernode_source_connections{registry="r58:443",state="wanted"} 32',
    ]),
  );
  expect(await lines(metrics, "dragonfly_supernode_source_connections")).toHaveLength(100);
});

test("gauges follow the store", async () => {
  const metrics = new SupernodeMetrics();
  const store = new TaskStore(() => 0);
  metrics.gauges.watch(having(store));
  const peer = store.addPeer({ ip: "127.0.0.2", hostName: "h", port: 15001, version: "" });
  const name = "dragonfly_supernode_peers";
  expect(await lines(metrics, name)).toEqual([`${name}{peer="h-127.0.0.2"} 1`]);
  store.removePeer(peer.id);
  expect(await lines(metrics, name)).toEqual([]);
});

test("requests are counted by the route's pattern, with or without version prefix", async () => {
  const metrics = new SupernodeMetrics();
  const routes = new Hono();
  routes.get("/_ping", (c) => c.text("OK"));
  routes.get("/fail", (c) => c.text("no", 500));
  const api = new Hono();
  api.get("/peers/:id", (c) => c.text("a peer"));
  const app = new Hono();
  app.use(metrics.middleware);
  app.route("/", routes);
  app.route("/:version{v[0-9.]+}", routes);
  app.route("/api/v1", api);
  const server = await serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
  const client = new HttpClient();
  const paths = [
    "/_ping",
    "/v1.0/_ping",
    "/fail",
    "/api/v1/peers/x?y=z",
    "/api/v1/peers/y",
    "/none",
  ];
  for (const path of paths) await client.text(`http://127.0.0.1:${server.port}${path}`);
  client.close();
  await server.close();

  const name = "dragonfly_supernode_http_requests_total";
  expect((await lines(metrics, name)).sort()).toEqual([
    `${name}{code="200",handler="/_ping"} 2`,
    `${name}{code="200",handler="/api/v1/peers/{id}"} 2`,
    `${name}{code="500",handler="/fail"} 1`,
  ]);
  for (const what of ["request_duration_seconds", "request_size_bytes", "response_size_bytes"]) {
    expect(await lines(metrics, `dragonfly_supernode_http_${what}_count`)).toContain(
      `dragonfly_supernode_http_${what}_count{handler="/_ping"} 2`,
    );
  }
});

test("the cache, and the queue of downloads from sources", async () => {
  const metrics = new SupernodeMetrics();
  metrics.gauges.watch(having(new TaskStore(() => 0)));
  expect(await lines(metrics, "dragonfly_supernode_cache_size_bytes ")).toEqual([
    "dragonfly_supernode_cache_size_bytes 12",
  ]);
  expect(await lines(metrics, "dragonfly_supernode_source_downloads{")).toEqual([
    'dragonfly_supernode_source_downloads{state="running"} 2',
    'dragonfly_supernode_source_downloads{state="waiting"} 3',
  ]);
});

test("counts the swarms up once a scrape", async () => {
  const metrics = new SupernodeMetrics();
  const has = having(new TaskStore(() => 0));
  let counted = 0;
  metrics.gauges.watch({
    ...has,
    swarmLoad: () => {
      counted += 1;
      return has.swarmLoad();
    },
  });
  await metrics.registry.metrics();
  expect(counted).toBe(1);
  await metrics.registry.metrics();
  expect(counted).toBe(2);
});
