import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

const SOURCES = {
  supernode: "supernode/main.ts",
  dfget: "peer/dfget/main.ts",
  dfdaemon: "proxy/main.ts",
  dfctl: "control/main.ts",
  check_dragonfly: "monitoring/main.ts",
  demo: "bench/demo/main.ts",
} as const;

/**
 * The command line that starts one of our programs: the bundle on Node (this one, or the one that
 * `DRAGONFLY_NODE` names), or, with `DRAGONFLY_RUNTIME=deno`, the source on Deno.
 */
export function ourProgram(name: keyof typeof SOURCES): string[] {
  if (process.env.DRAGONFLY_RUNTIME === "deno") {
    const deno = join(ROOT, "node_modules/.bin/deno");
    return [deno, "run", "-A", "--config", join(ROOT, "deno.json"), join(ROOT, SOURCES[name])];
  }
  return [process.env.DRAGONFLY_NODE || process.execPath, join(ROOT, `dist/${name}.js`)];
}
