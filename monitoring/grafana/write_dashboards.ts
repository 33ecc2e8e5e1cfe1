import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DASHBOARDS } from "./dashboards.ts";
import { dashboardJson } from "./panel.ts";

const folder = join(import.meta.dirname, "../../packaging/grafana");
for (const [file, dashboard] of Object.entries(DASHBOARDS)) {
  await writeFile(join(folder, file), dashboardJson(dashboard));
}
