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
 *
 * @param preload a module that is loaded into the process before the program
 */
export function ourProgram(name: keyof typeof SOURCES, preload?: string): string[] {
  if (process.env.DRAGONFLY_RUNTIME === "deno") {
    const deno = join(ROOT, "node_modules/.bin/deno");
    const options = ["-A", "--config", join(ROOT, "deno.json"), ...flag("--preload", preload)];
    return [deno, "run", ...options, join(ROOT, SOURCES[name])];
  }
  const node = process.env.DRAGONFLY_NODE || process.execPath;
  return [node, ...flag("--import", preload), join(ROOT, `dist/${name}.js`)];
}

function flag(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [`${name}=${value}`];
}
