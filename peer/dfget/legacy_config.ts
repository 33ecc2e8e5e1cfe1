import { readFile } from "node:fs/promises";
import type * as z from "zod";
import { ConfigError } from "../../runtime/config_error.ts";
import { isMissing, parseConfig } from "../../runtime/config_file.ts";

/**
 * Reads the INI file of old, `[node] address=a,b` (protocol §4), into the newer file's shape. An absent
 * file counts as empty.
 *
 * @throws {ConfigError} when an address in it makes no sense
 */
export async function readLegacyConfig<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  let text = "";
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (!isMissing(error)) throw new ConfigError(`${path}: ${(error as Error).message}`);
  }
  return parseConfig(path, JSON.stringify({ nodes: parseLegacyConfig(text) }), schema);
}

/**
 * The addresses in an INI text's `[node]` section. As for v1, names are read in any case, a value may stand
 * in double quotes, and `#` or `;` outside of them begins a comment.
 */
export function parseLegacyConfig(text: string): string[] {
  let section = "";
  const nodes: string[] = [];
  for (const line of text.split("\n")) {
    const said = line.replace(/("[^"]*")|[#;].*/g, "$1").trim();
    const header = /^\[(.+)\]$/.exec(said);
    if (header) section = header[1]!.trim().toLowerCase();
    const pair = /^address\s*=(.*)$/i.exec(said);
    if (section !== "node" || !pair) continue;
    const list = pair[1]!.replaceAll('"', "");
    nodes.push(...list.split(",").flatMap((node) => node.trim() || []));
  }
  return nodes;
}
