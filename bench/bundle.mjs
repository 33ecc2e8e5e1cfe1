// How our programs are bundled: for `dist/`, and for the benchmarks, which must measure the same.
import { isBuiltin } from "node:module";

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

/** Options of esbuild. */
export const bundling = {
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  // What is left out of a package that comes as ES modules, as OpenTelemetry does, need not be read at each start.
  mainFields: ["module", "main"],
  plugins: [fullNames],
  // Some dependencies are CommonJS and call require(); give the bundle one. (The first line, which
  // makes a program of the file, comes from its source.)
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
};
