// `npm run chaos -- --seeds 300`: bundles the test into a directory of its own, and runs it there on
// the programs of dist/.
import { rmSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const directory = await mkdtemp(join(tmpdir(), "dragonfly-chaos-bundle-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
await build({
  entryPoints: [join(here, "main.ts"), join(here, "runner_program.ts")],
  outdir: directory,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  logLevel: "error",
  // Files are looked for relative to this folder, a sibling of support/.
  define: { "import.meta.dirname": JSON.stringify(here) },
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});
await writeFile(join(directory, "package.json"), '{ "type": "module" }\n');
process.argv = [process.argv[0], join(directory, "main.js"), ...process.argv.slice(2)];
await import(pathToFileURL(process.argv[1]).href);
