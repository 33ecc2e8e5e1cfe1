// Runs TypeScript that starts programs, such as `tests/chaos/main.ts`: bundles it into a directory of its
// own, and runs it there on the programs of dist/.
import { rmSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

/**
 * @param {string} folder a sibling of this one, with a `main.ts`
 * @param {{ others?: string[], external?: string[] }} options files of it that `main.ts` starts as programs;
 *   packages that cannot be bundled
 */
export async function runBundled(folder, { others = [], external = [] } = {}) {
  // What is not bundled is found from below the folder of node_modules only.
  const place = external.length > 0 ? join(folder, "../../dist") : tmpdir();
  const directory = await mkdtemp(join(place, "dragonfly-bundle-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  await build({
    entryPoints: ["main.ts", ...others].map((name) => join(folder, name)),
    outdir: directory,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20.19",
    logLevel: "error",
    // Files are looked for relative to this folder, a sibling of support/.
    define: { "import.meta.dirname": JSON.stringify(folder) },
    external,
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
  });
  await writeFile(join(directory, "package.json"), '{ "type": "module" }\n');
  process.argv = [process.argv[0], join(directory, "main.js"), ...process.argv.slice(2)];
  await import(pathToFileURL(process.argv[1]).href);
}
