import { join, resolve } from "node:path";
import { build } from "esbuild";
import { onTestFinished } from "vitest";
import { Scratch } from "../../tests/support/scratch.ts";

/** How a program is started on each runtime: for tests of what the two do differently. */
export const RUNTIMES = {
  node: [process.execPath],
  deno: [
    resolve(import.meta.dirname, "../../node_modules/.bin/deno"),
    ...["run", "--allow-all", "--quiet"],
  ],
};
const REQUIRE =
  'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';

/**
 * Makes one file of a program of this folder and all that it imports, for as long as the test runs.
 *
 * @param name the program's, without `.ts`
 * @returns the file's path
 */
export async function bundleForBoth(name: string): Promise<string> {
  const scratch = await Scratch.open(name.replaceAll("_", "-"));
  onTestFinished(() => scratch.close());
  const program = join(scratch.dir, `${name}.mjs`);
  await build({
    entryPoints: [join(import.meta.dirname, `${name}.ts`)],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20.19",
    // Some packages call require().
    banner: { js: REQUIRE },
  });
  return program;
}
