import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { allMetrics } from "./all_metrics.ts";
import { metricsPage } from "./metrics_page.ts";

const page = join(import.meta.dirname, "../docs/metrics.md");
await writeFile(page, metricsPage(await allMetrics()));
// Watching the process for its metrics would keep it.
process.exit();
