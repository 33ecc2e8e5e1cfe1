import manifest from "../package.json" with { type: "json" };

/** The version of this build, from package.json. */
export const VERSION: string = manifest.version;

/** The runtime that executes us, as `node v20.19.0` or `deno 2.9.6`. */
export function runtimeName(): string {
  const deno = (globalThis as { Deno?: { version: { deno: string } } }).Deno;
  return deno ? `deno ${deno.version.deno}` : `node ${process.version}`;
}
