import manifest from "../package.json" with { type: "json" };
import { deno } from "./deno.ts";

/** The version of this build, from package.json. */
export const VERSION: string = manifest.version;

/** The runtime that executes us, as `node v20.19.0` or `deno 2.9.6`. */
export function runtimeName(): string {
  return deno ? `deno ${deno.version.deno}` : `node ${process.version}`;
}

/** The processor's name as Go says it, which v1 shows in `/version` and its metrics. */
export function goArchitecture(): string {
  return { x64: "amd64", ia32: "386" }[process.arch as string] ?? process.arch;
}
