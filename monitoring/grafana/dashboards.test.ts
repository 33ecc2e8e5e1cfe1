import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { allMetrics } from "../all_metrics.ts";
import { DASHBOARDS } from "./dashboards.ts";
import { type Dashboard, dashboardJson } from "./panel.ts";

const FOLDER = join(import.meta.dirname, "../../packaging/grafana");
const all = Object.entries(DASHBOARDS);

it("packaging/grafana is what the code says: else run `npm run dashboards`", async () => {
  expect((await readdir(FOLDER)).sort()).toEqual(Object.keys(DASHBOARDS).sort());
  for (const [file, dashboard] of all) {
    expect(await readFile(join(FOLDER, file), "utf8")).toBe(dashboardJson(dashboard));
  }
});

it.each(all)(
  "%s asks for metrics that there are, and each panel has a name",
  async (_, { panels }) => {
    const known = new Set(
      Object.values(await allMetrics())
        .flat()
        .map(({ name }) => name),
    );
    for (const { queries } of panels) {
      expect(queries.length).toBeGreaterThan(0);
      for (const { expr } of queries) {
        for (const [name] of expr.matchAll(/\b(dragonfly|process)_\w+/g)) {
          expect(known, expr).toContain(name.replace(/_bucket$/, ""));
        }
      }
    }
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  },
);

it("every metric of dfdaemon, and what swarms are at, is on a panel", async () => {
  const shown = JSON.stringify(all);
  const { dfdaemon, supernode } = await allMetrics();
  const names = [...dfdaemon!, ...supernode!.filter(({ name }) => name.includes("_swarm_"))];
  for (const { name } of names) {
    if (name.startsWith("dragonfly_")) expect(shown).toContain(name);
  }
});

it("panels do not overlap, and stay on the grid", () => {
  for (const [, dashboard] of all) {
    const taken = new Set<string>();
    for (const { x, y, w, h } of places(dashboard)) {
      expect(x + w).toBeLessThanOrEqual(24);
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          expect(taken).not.toContain(`${column} ${line}`);
          taken.add(`${column} ${line}`);
        }
      }
    }
  }
});

function places(dashboard: Dashboard) {
  const model = JSON.parse(dashboardJson(dashboard)) as {
    panels: { gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  return model.panels.map(({ gridPos }) => gridPos);
}
