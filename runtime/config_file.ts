import { readFile } from "node:fs/promises";
import { isMap, isNode, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";

/** A configuration that cannot be used; the message says file, line, key and what was expected. */
export class ConfigError extends Error {
  override name = "ConfigError";
}

/** Whether an error says that a file is not there. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException)?.code === "ENOENT";
}

/**
 * Reads a YAML file and checks it against `schema`. An empty file counts as `{}`.
 *
 * @throws {ConfigError} when the file cannot be read or does not fit
 */
export async function readConfigFile<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new ConfigError(
      isMissing(error) ? `${path}: no such file` : `${path}: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return parseConfig(path, text, schema);
}

/** The same for a text already read; `path` is for the messages. */
export function parseConfig<Schema extends z.ZodType>(
  path: string,
  text: string,
  schema: Schema,
): z.output<Schema> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true });
  const broken = document.errors[0];
  if (broken) throw new ConfigError(`${path}: not valid YAML: ${broken.message.split("\n")[0]}`);
  const result = schema.safeParse(document.toJS() ?? {});
  if (result.success) return result.data;

  const lineOf = (keys: PropertyKey[]): string => {
    for (let depth = keys.length; depth > 0; depth--) {
      const parent = document.getIn(keys.slice(0, depth - 1) as string[], true);
      const pair = isMap(parent)
        ? parent.items.find((item) => String(item.key) === String(keys[depth - 1]))
        : undefined;
      const node = pair?.key ?? document.getIn(keys.slice(0, depth) as string[], true);
      if (isNode(node) && node.range) return `:${lines.linePos(node.range[0]).line}`;
    }
    return "";
  };
  const complaints = flattenIssues(result.error.issues).map(({ path: keys, message }) => {
    const key = keys.map(String).join(".");
    return `${path}${lineOf(keys)}: ${key ? `${key}: ` : ""}${message}`;
  });
  throw new ConfigError(complaints.join("\n"));
}

/** Flat list of what is wrong, an unknown key under its own name. */
function flattenIssues(
  issues: readonly z.core.$ZodIssue[],
): { path: PropertyKey[]; message: string }[] {
  return issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({
        path: [...issue.path, key],
        message: "unknown key; the configuration page of the documentation lists all keys",
      }));
    }
    if (issue.code === "invalid_union") {
      // Say what the branch that came furthest wanted.
      const deepest = issue.errors
        .map((errors) => flattenIssues(errors))
        .sort((a, b) => depth(b) - depth(a))[0];
      if (deepest && deepest.length > 0) {
        return deepest.map((inner) => ({
          path: [...issue.path, ...inner.path],
          message: inner.message,
        }));
      }
    }
    return [{ path: [...issue.path], message: issue.message.replace(/^Invalid input: /, "") }];
  });
}

function depth(issues: { path: PropertyKey[] }[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}
