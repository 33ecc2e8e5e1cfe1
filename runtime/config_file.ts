import { readFile } from "node:fs/promises";
import { type Document, isMap, isNode, isSeq, LineCounter, parseDocument } from "yaml";
import * as z from "zod";
import { ConfigError } from "./config_error.ts";
import { thisUser } from "./this_user.ts";

/** Whether an error says that a file is not there. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException)?.code === "ENOENT";
}

/** A block of a configuration in which an unknown key is refused, with what may have been meant. */
export function strictSection<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? unknownKeyHint(String(issue.keys?.[0]), names)
        : issue.code === "invalid_type"
          ? "expected a block of keys and values"
          : undefined,
  });
}

/**
 * The same where keys count in any case (v1 reads them by viper, which does not look at it), and a key without a
 * value is as good as absent.
 */
export function configSection<Shape extends z.ZodRawShape>(shape: Shape) {
  const canonical = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  return z.preprocess((input) => {
    if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
    return Object.fromEntries(
      Object.entries(input)
        .filter(([, value]) => value !== null)
        .map(([key, value]) => [canonical.get(key.toLowerCase()) ?? key, value]),
    );
  }, strictSection(shape));
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
    throw new ConfigError(`${path}: ${unreadable(error)}`, { cause: error });
  }
  return parseConfig(path, text, schema);
}

/** A file that a program needs, and the key of the configuration that names it. */
export interface NamedFile {
  key: string;
  path: string;
}

/**
 * Reads a file that a configuration names.
 *
 * @throws {ConfigError} naming the key and the file
 */
export async function readNamedFile(key: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new ConfigError(`${key}: ${path}: ${unreadable(error)}`);
  }
}

/** {@link readConfigFile} for a text already read; `path` is for the messages. */
export function parseConfig<Schema extends z.ZodType>(
  path: string,
  text: string,
  schema: Schema,
): z.output<Schema> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, logLevel: "error" });
  const broken = document.errors[0];
  if (broken) {
    const line = broken.linePos?.[0].line ?? lines.linePos(broken.pos[0]).line;
    const reason = broken.message.split("\n")[0]!.replace(/ at line \d+, column \d+:?$/, "");
    throw new ConfigError(`${path}:${line}: not valid YAML: ${reason}`);
  }
  const result = schema.safeParse(resolvedValue(document, path) ?? {});
  if (result.success) return result.data;

  const lineOf = (keys: PropertyKey[]): string => {
    let node: unknown = document.contents;
    let offset: number | undefined;
    for (const key of keys) {
      const { place, next } = childOf(node, String(key));
      if (!isNode(place) || !place.range) break;
      offset = place.range[0];
      node = next;
    }
    return offset === undefined ? "" : `:${lines.linePos(offset).line}`;
  };
  const complaints = flattenIssues(result.error.issues).map(({ path: keys, message }) => {
    const key = keys.map(String).join(".");
    return `${path}${lineOf(keys)}: ${key ? `${key}: ` : ""}${message}`;
  });
  throw new ConfigError(complaints.join("\n"));
}

/** @throws {ConfigError} for what is only found when aliases (`*name`) and merges (`<<`) are looked up */
function resolvedValue(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw new ConfigError(`${path}: not valid YAML: ${(error as Error).message}`);
  }
}

/** What a single value, outside of any file, should have been. */
export function expectedOf(error: z.ZodError): string {
  return flattenIssues(error.issues)[0]?.message ?? "not valid";
}

/** The node under `key`, and the node whose place in the text stands for it. */
function childOf(parent: unknown, key: string): { place: unknown; next: unknown } {
  if (isSeq(parent)) {
    const item = parent.items[Number(key)];
    return { place: item, next: item };
  }
  if (!isMap(parent)) return { place: undefined, next: undefined };
  const pair = parent.items.find((item) => String(item.key).toLowerCase() === key.toLowerCase());
  return { place: pair?.key, next: pair?.value };
}

/** Flat list of what is wrong, an unknown key under its own name. */
function flattenIssues(
  issues: readonly z.core.$ZodIssue[],
): { path: PropertyKey[]; message: string }[] {
  return issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      const hint = issue.message.startsWith("Unrecognized key") ? "" : `; ${issue.message}`;
      return issue.keys.map((key) => ({
        path: [...issue.path, key],
        message: `unknown key${hint}`,
      }));
    }
    if (issue.code === "invalid_union" && issue.message === "Invalid input") {
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
    return [{ path: [...issue.path], message: describe(issue.message) }];
  });
}

/** zod's own words, in the tone of ours. */
function describe(message: string): string {
  return message
    .replace(/^Invalid (input|option): /, "")
    .replace(/^(expected .*), received undefined$/, "missing; $1")
    .replace(/^Too (small|big): expected \w+ to (be|have)/, "expected")
    .replace(/"\|"/g, '" or "')
    .replace(/^expected one of ("[^"]*" or "[^"]*")$/, "expected $1");
}

function depth(issues: { path: PropertyKey[] }[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

/** Why a file cannot be read, in a person's words. */
export function unreadable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file";
  if (code === "EACCES") return `not permitted to read it, as ${thisUser()}`;
  if (code === "EISDIR") return "is a directory, not a file";
  return message;
}

/** "did you mean listenPort?", or the keys there are. */
function unknownKeyHint(key: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= Math.max(2, key.length / 4)
    ? `did you mean ${near.name}?`
    : `expected one of ${known.join(", ")}`;
}

/** How many letters must be added, dropped or changed to get from `a` to `b` (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
