// Bundles each program into one file under dist/, so that a node needs nothing but a runtime.
import { chmod } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { build } from "esbuild";
import { buildConsolePage, writeConsolePage } from "./console_page.mjs";

const programs = {
  supernode: "supernode/main.ts",
  dfget: "peer/dfget/main.ts",
  dfdaemon: "proxy/main.ts",
  dfctl: "control/main.ts",
  check_dragonfly: "monitoring/main.ts",
  demo: "bench/demo/main.ts",
};

/** Deno knows Node's own modules by their full names alone, `node:path`; some packages leave the prefix out. */
const fullNames = {
  name: "full names of Node's modules",
  setup({ onResolve }) {
    onResolve({ filter: /^[a-z]/ }, ({ path }) =>
      isBuiltin(path) && !path.startsWith("node:")
        ? { path: `node:${path}`, external: true }
        : undefined,
    );
  },
};

const page = await buildConsolePage();
await writeConsolePage(page);
await build({
  entryPoints: programs,
  outdir: "dist",
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  // What is left out of a package that comes as ES modules, as OpenTelemetry does, need not be read at each start.
  mainFields: ["module", "main"],
  plugins: [fullNames],
  sourcemap: "linked",
  legalComments: "none",
  // See supernode/console/page_files.ts.
  define: { CONSOLE_PAGE: JSON.stringify(page) },
  // Some dependencies are CommonJS and call require(); give the bundle one. (The first line, which
  // makes a program of the file, comes from its source.)
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});
await Promise.all(Object.keys(programs).map((name) => chmod(`dist/${name}.js`, 0o755)));
