// Bundles the console's page (supernode/console/page) into files that the supernode hands out.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const PAGE = "supernode/console/page";

/** The page's files by name: for a bundled supernode, which carries them in itself. */
export async function buildConsolePage() {
  const { outputFiles } = await build({
    entryPoints: { page: `${PAGE}/main.tsx`, styles: `${PAGE}/page.css` },
    outdir: ".",
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: ["chrome111", "firefox113", "safari16.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "inline",
  });
  const made = (suffix) => outputFiles.find(({ path }) => path.endsWith(suffix)).text;
  return {
    "index.html": await readFile(join(PAGE, "index.html"), "utf8"),
    "page.js": made("page.js"),
    "page.css": made("styles.css"),
    "icon.svg": await readFile(join(PAGE, "icon.svg"), "utf8"),
  };
}

/** Writes them where a supernode that runs from its source looks for them. */
export async function writeConsolePage(files) {
  await mkdir("dist/console", { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(`dist/console/${name}`, text);
}
