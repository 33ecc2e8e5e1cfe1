import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ConfigError } from "./config_error.ts";
import type { NamedFile } from "./config_file.ts";

/** Milliseconds for an answer of systemd. */
const PATIENCE_MS = 10_000;

const execute = promisify(execFile);

/** A file that a service cannot read: what is wrong, and what to do. */
export interface Unreadable {
  says: string;
  todo: string;
}

/**
 * The files that a configuration names, and whom systemd runs a unit as may not read: root, who looks at a
 * configuration, may read everything. Where this is not root, or no such unit is there, nothing is asked.
 */
export async function unreadableByService(
  unit: string,
  files: readonly NamedFile[],
): Promise<Unreadable[]> {
  if (process.getuid?.() !== 0 || files.length === 0) return [];
  const service = await identityOf(unit);
  if (!service) return [];
  const { user, groups } = service;
  // The system itself is asked: access control lists and directories on the way count, too.
  const look = 'for file; do test -r "$file" || printf "%s\\0" "$file"; done';
  const paths = files.map(({ path }) => path);
  const said = await output("setpriv", [
    ...["--reuid", user, "--regid", groups[0]!, "--groups", groups.join(",")],
    ...["sh", "-c", look, "sh", ...paths],
  ]);
  const refused = new Set(said?.split("\0"));
  return files
    .filter(({ path }) => refused.has(path))
    .map(({ key, path }) => ({
      says: `${key}: ${path}: user ${user}, as whom ${unit} runs, is not permitted to read it`,
      todo: `chown ${user} ${path}, and let it pass the directories on the way`,
    }));
}

/** Whom systemd runs a unit as, and that user's groups by number, its own first; absent where it is root, or not to be known. */
async function identityOf(unit: string): Promise<{ user: string; groups: string[] } | undefined> {
  const properties = ["--property=User", "--property=SupplementaryGroups"];
  const shown = await output("systemctl", ["show", ...properties, unit]);
  const user = /^User=(.+)$/m.exec(shown ?? "")?.[1];
  if (!user || user === "root") return undefined;
  const own = await output("id", ["-g", user]);
  const all = await output("id", ["-G", user]);
  if (!own || !all) return undefined;
  const more = /^SupplementaryGroups=(.*)$/m.exec(shown ?? "")?.[1] ?? "";
  const groups = [own, ...all.split(" "), ...more.split(" ")].map((group) => group.trim());
  return { user, groups: [...new Set(groups.filter(Boolean))] };
}

/**
 * For a program that looks at a configuration, and says no more.
 *
 * @throws {ConfigError} where there is one
 */
export function refuseUnreadable(found: readonly Unreadable[]): void {
  if (found.length === 0) return;
  throw new ConfigError(found.map(({ says, todo }) => `${says}: ${todo}`).join("\n"));
}

/** What a command prints; `undefined` where it is not there, or fails. */
async function output(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await execute(command, [...args], { timeout: PATIENCE_MS })).stdout;
  } catch {
    return undefined;
  }
}
