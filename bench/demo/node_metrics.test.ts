import { expect, test } from "vitest";
import { parseBytes } from "./node_metrics.ts";

test("parseBytes reads the bytes of each origin and nothing else", () => {
  const text = [
    "# HELP dragonfly_dfdaemon_bytes_total File bytes by where they came from.",
    "# TYPE dragonfly_dfdaemon_bytes_total counter",
    'dragonfly_dfdaemon_bytes_total{origin="peer"} 150000000',
    'dragonfly_dfdaemon_bytes_total{node="a",origin="registry"} 5.0e+07',
    'dragonfly_dfdaemon_bytes_total{origin="elsewhere"} 7',
    'dragonfly_other_bytes_total{origin="cache"} 9',
    "",
  ].join("\n");
  expect(parseBytes(text)).toEqual({ peer: 150e6, supernode: 0, registry: 50e6, cache: 0 });
});
