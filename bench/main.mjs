// Runs a benchmark by its name: `npm run bench -- rollout --nodes 8` runs `bench/rollout/main.ts`.
//
// All that it starts is bundled first, into a directory of its own, so that what is measured is what
// lies here now: our programs, and every `*_program.ts` beside the benchmark.
import { existsSync, rmSync } from "node:fs";
import { mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { bundling } from "./bundle.mjs";

const here = dirname(fileURLToPath(import.meta.url));
let [name = "", ...args] = process.argv.slice(2);
const folders = await readdir(here, { withFileTypes: true });
const names = folders
  .filter((entry) => entry.isDirectory() && existsSync(join(here, entry.name, "main.ts")))
  .map((entry) => entry.name);
// What `wire` measures goes by names of its own, too.
const measures = ["serve", "get", "get-v1", "seed", "pull", "ttfb", "warm", "tunnel", "start"];
measures.push("parts", "idle", "cluster", "many", "limits", "growth");
if (measures.includes(name)) [name, args] = ["wire", [name, ...args]];
if (name === "--list") [name, args] = ["wire", ["--list"]];
if (!names.includes(name)) {
  const all = [...names, ...measures].join(", ");
  process.stderr.write(`bench: no benchmark is called "${name}"; there are: ${all}\n`);
  process.exit(1);
}

const directory = await mkdtemp(join(tmpdir(), "dragonfly-bench-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
const folder = join(here, name);
const parts = (await readdir(folder)).filter((file) => file.endsWith("_program.ts"));
await build({
  ...bundling,
  entryPoints: {
    main: join(folder, "main.ts"),
    supernode: join(here, "..", "supernode", "main.ts"),
    dfdaemon: join(here, "..", "proxy", "main.ts"),
    dfget: join(here, "..", "peer", "dfget", "main.ts"),
    ...Object.fromEntries(parts.map((file) => [file.slice(0, -3), join(folder, file)])),
  },
  outdir: directory,
  logLevel: "error",
});
await writeFile(join(directory, "package.json"), '{ "type": "module" }\n');
process.argv = [process.argv[0], join(directory, "main.js"), ...args];
await import(pathToFileURL(join(directory, "main.js")).href);
