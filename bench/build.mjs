// Bundles each program into one file under dist/, so that a node needs nothing but a runtime.
import { chmod } from "node:fs/promises";
import { build } from "esbuild";
import { bundling } from "./bundle.mjs";
import { buildConsolePage, writeConsolePage } from "./console_page.mjs";

const programs = {
  supernode: "supernode/main.ts",
  dfget: "peer/dfget/main.ts",
  dfdaemon: "proxy/main.ts",
  dfctl: "control/main.ts",
  check_dragonfly: "monitoring/main.ts",
  demo: "bench/demo/main.ts",
};

const page = await buildConsolePage();
await writeConsolePage(page);
await build({
  ...bundling,
  entryPoints: programs,
  outdir: "dist",
  sourcemap: "linked",
  legalComments: "none",
  // See supernode/console/page_files.ts.
  define: { CONSOLE_PAGE: JSON.stringify(page) },
});
await Promise.all(Object.keys(programs).map((name) => chmod(`dist/${name}.js`, 0o755)));
