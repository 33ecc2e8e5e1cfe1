import type { CheckedProgram } from "./check.ts";
import { parseSelector } from "./metric_samples.ts";

/** The programs that can be checked, with what belongs into graphs of them. */
export const PROGRAMS: Readonly<Record<CheckedProgram["name"], CheckedProgram>> = {
  supernode: {
    name: "supernode",
    port: 8002,
    notReady: "CRITICAL",
    figures: [
      ["tasks", parseSelector("dragonfly_supernode_tasks"), ""],
      ["peers", parseSelector("dragonfly_supernode_peers"), ""],
      ["source_bytes", parseSelector("dragonfly_supernode_source_bytes_total"), "c"],
      ["served_bytes", parseSelector("dragonfly_supernode_served_bytes_total"), "c"],
      ["memory", parseSelector("process_resident_memory_bytes"), "B"],
    ],
  },
  dfdaemon: {
    name: "dfdaemon",
    port: 65001,
    notReady: "WARNING",
    figures: [
      ...(["peer", "supernode", "registry", "cache"] as const).map(
        (origin): CheckedProgram["figures"][number] => [
          `${origin}_bytes`,
          parseSelector(`dragonfly_dfdaemon_bytes_total{origin="${origin}"}`),
          "c",
        ],
      ),
      ["fallbacks", parseSelector("dragonfly_dfdaemon_fallbacks_total"), "c"],
      ["memory", parseSelector("process_resident_memory_bytes"), "B"],
    ],
  },
};
