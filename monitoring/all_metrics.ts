import type { Registry } from "prom-client";
import { createMetrics } from "../proxy/metrics.ts";
import { createSupernode } from "../supernode/app.ts";
import { SupernodeMetrics } from "../supernode/metrics.ts";
import { withDefaults } from "../supernode/settings.ts";
import type { MetricDescription } from "./metrics_page.ts";

/** The metrics of each program, as it has them when it runs. Starts nothing that outlives the call. */
export async function allMetrics(): Promise<Record<string, MetricDescription[]>> {
  const supernode = new SupernodeMetrics();
  const core = createSupernode({ config: withDefaults() });
  supernode.gauges.watch(core);
  supernode.gauges.watchCache(async () => undefined);
  supernode.gauges.watchSharing(() => undefined);
  supernode.gauges.watchCertificates(() => ({}));
  await core.close();
  return {
    supernode: describe(supernode.registry),
    dfdaemon: describe(createMetrics().registry),
  };
}

function describe(registry: Registry): MetricDescription[] {
  // prom-client has these fields, and its types do not say so.
  return registry.getMetricsAsArray() as unknown as MetricDescription[];
}
