// How our programs are bundled: for `dist/`, and for the benchmarks, which must measure the same.
import { isBuiltin } from "node:module";

/**
 * Node's own modules are looked up when the first of ours that needs them runs, not when the program starts: on Deno
 * all of them together take 50 ms, and `--version` needs few. `node:module` is what the banner below starts from.
 */
const whenNeeded = {
  name: "Node's modules when they are needed",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z]/ }, ({ path }) => {
      if (!isBuiltin(path) || path === "node:module") return undefined;
      // Deno knows them by their full names alone; some packages leave the prefix out.
      const name = path.startsWith("node:") ? path : `node:${path}`;
      return { path: name, namespace: "node", sideEffects: false };
    });
    onLoad({ filter: /.*/, namespace: "node" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
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
  // Names stay, for stack traces. A program keeps its text in memory, and reads it at each start.
  minifyWhitespace: true,
  minifySyntax: true,
  plugins: [whenNeeded],
  // Some dependencies are CommonJS and call require(); give the bundle one. (The first line, which
  // makes a program of the file, comes from its source.)
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
};
