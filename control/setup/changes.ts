import { createTwoFilesPatch } from "diff";
import type { FileChange, Host } from "./plan.ts";

/** A file that is to change. */
export interface Change {
  path: string;
  before: string | undefined;
  after: string | undefined;
}

/** Of the files of a plan those that are not yet as they should be. */
export async function changesOf(files: readonly FileChange[], host: Host): Promise<Change[]> {
  const changes = await Promise.all(
    files.map(async ({ path, after }) => ({ path, before: await host.read(path), after })),
  );
  return changes.filter(({ before, after }) => before !== after);
}

/** What changes, as `diff -u` shows it; in colour for terminals. */
export function showChanges(changes: readonly Change[], coloured: boolean): string {
  return changes.map((change) => showChange(change, coloured)).join("\n");
}

function showChange({ path, before, after }: Change, coloured: boolean): string {
  const name = (text: string | undefined) => (text === undefined ? "/dev/null" : path);
  const patch = createTwoFilesPatch(name(before), name(after), before ?? "", after ?? "", "", "");
  // What comes before is for mails with several of them.
  const lines = patch.trimEnd().split("\n");
  return lines
    .slice(lines.findIndex((line) => line.startsWith("--- ")))
    .map((line) => (coloured ? colour(line) : line))
    .join("\n");
}

function colour(line: string): string {
  if (/^(---|\+\+\+) /.test(line)) return `\u001b[1m${line}\u001b[0m`;
  if (line.startsWith("+")) return `\u001b[32m${line}\u001b[0m`;
  if (line.startsWith("-")) return `\u001b[31m${line}\u001b[0m`;
  return line;
}
