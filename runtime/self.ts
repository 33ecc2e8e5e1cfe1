import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { deno } from "./deno.ts";

/**
 * The command that starts this very program again, for a process of its own: runtime and script, or
 * the one compiled binary.
 */
export function selfCommand(): { command: string; args: string[] } {
  if (!deno) return { command: process.execPath, args: [...process.execArgv, process.argv[1]!] };
  const compiled = !/^deno(\.exe)?$/.test(basename(process.execPath));
  if (compiled) return { command: process.execPath, args: [] };
  return { command: process.execPath, args: ["run", "-A", fileURLToPath(deno.mainModule)] };
}
