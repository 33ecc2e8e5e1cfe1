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

/** The addresses in an INI text's `[node]` section. */
export function parseLegacyConfig(text: string): string[] {
  let section = "";
  const nodes: string[] = [];
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    const header = /^\[(.+)\]$/.exec(line);
    if (header) section = header[1]!.trim();
    const pair = /^address\s*=\s*(.+)$/.exec(line);
    if (section !== "node" || !pair) continue;
    nodes.push(...pair[1]!.split(",").flatMap((node) => node.trim() || []));
  }
  return nodes;
}
