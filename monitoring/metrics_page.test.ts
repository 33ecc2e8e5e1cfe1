import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { allMetrics } from "./all_metrics.ts";
import { metricsPage } from "./metrics_page.ts";
import { PROGRAMS } from "./programs.ts";

it("docs/metrics.md is what the code says: else run `npm run metrics-page`", async () => {
  const page = await readFile(join(import.meta.dirname, "../docs/metrics.md"), "utf8");
  expect(page).toBe(metricsPage(await allMetrics()));
});

it("names follow Prometheus' conventions: counters end in _total, durations are in seconds", async () => {
  for (const { name, type, help } of Object.values(await allMetrics()).flat()) {
    expect(help, name).not.toBe("");
    if (!name.startsWith("dragonfly_")) continue;
    expect(name.endsWith("_total"), name).toBe(type === "counter");
    // v1's own name.
    if (name !== "dragonfly_supernode_schedule_duration_milliseconds") {
      expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|minutes)\b/);
    }
  }
});

it("every figure of check_dragonfly is a metric there is", async () => {
  const all = await allMetrics();
  for (const { name, figures } of Object.values(PROGRAMS)) {
    const known = all[name]!.map((metric) => metric.name);
    for (const [, selector] of figures) expect(known).toContain(selector.name);
  }
});

it("has a row for each of ours, and escapes what would break the table", () => {
  const page = metricsPage({
    x: [
      { name: "process_total", help: "One.", type: "counter", labelNames: [] },
      { name: "dragonfly_b", help: "Two | three.", type: "histogram", labelNames: ["le", "c"] },
      { name: "dragonfly_a", help: "Four.", type: "gauge", labelNames: [] },
    ],
  });
  expect(page.slice(page.indexOf("|---"))).toBe(
    [
      "|---|---|---|---|",
      "| `dragonfly_a` | gauge |  | Four |",
      "| `dragonfly_b` | histogram | `c` | Two \\| three |",
      "",
    ].join("\n"),
  );
});
