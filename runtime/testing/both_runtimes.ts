import { join, resolve } from "node:path";
import { build } from "esbuild";
import { onTestFinished } from "vitest";
import { bundling } from "../../bench/bundle.mjs";
import { Scratch } from "../../tests/support/scratch.ts";

/** How a program is started on each runtime: for tests of what the two do differently. */
export const RUNTIMES = {
  node: [process.execPath],
  deno: [
    resolve(import.meta.dirname, "../../node_modules/.bin/deno"),
    ...["run", "--allow-all", "--quiet"],
  ],
};

/**
 * Bundles a program of this folder as ours are bundled, for as long as the test runs.
 *
 * @param name the program's, without `.ts`
 * @returns the file's path
 */
export async function bundleForBoth(name: string): Promise<string> {
  const scratch = await Scratch.open(name.replaceAll("_", "-"));
  onTestFinished(() => scratch.close());
  const program = join(scratch.dir, `${name}.mjs`);
  const source = join(import.meta.dirname, `${name}.ts`);
  await build({ ...bundling, entryPoints: [source], outfile: program });
  return program;
}
