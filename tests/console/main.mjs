// `npm run screenshots`: bundles the script beside this into a directory of its own, and runs it there on
// the programs of dist/.
import { rmSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
// Below node_modules' folder, where what is not bundled is found.
const directory = await mkdtemp(join(here, "../../dist/screenshots-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
await build({
  entryPoints: [join(here, "screenshots.ts")],
  outdir: directory,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  logLevel: "error",
  // Files are looked for relative to this folder, a sibling of support/.
  define: { "import.meta.dirname": JSON.stringify(here) },
  external: ["playwright-core"],
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});
await writeFile(join(directory, "package.json"), '{ "type": "module" }\n');
await import(pathToFileURL(join(directory, "screenshots.js")).href);
