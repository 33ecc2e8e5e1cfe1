import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { unreadable } from "../runtime/config_file.ts";
import { ControlError } from "./control_error.ts";

const authFileSchema = z.object({
  auths: z.record(z.string(), z.object({ auth: z.string().optional() })).default({}),
});

/** What stands for Docker Hub in docker's file, and the names by which its registry is asked. */
const HUB_KEY = "https://index.docker.io/v1/";
const HUB_NAMES = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/**
 * The `Authorization` header for a registry, from a file as `docker login` and `podman login` write it.
 *
 * @throws {ControlError} where the file has none for that registry
 */
export async function authorizationFor(host: string, path: string): Promise<string> {
  const found = await lookUp(host, path);
  if (found !== undefined) return found;
  throw new ControlError(
    `--authfile: ${path} has no credentials for ${host} (those in a credential helper cannot be read)`,
  );
}

/** The same from the first of the places where the engines' logins write; `undefined` where none has any. */
export async function usualAuthorizationFor(
  host: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  for (const path of usualFiles(env)) {
    const found = await lookUp(host, path).catch(() => undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** In the order in which podman looks; docker knows its own only. */
function usualFiles(env: Readonly<Record<string, string | undefined>>): string[] {
  const {
    REGISTRY_AUTH_FILE,
    XDG_RUNTIME_DIR,
    XDG_CONFIG_HOME,
    DOCKER_CONFIG,
    HOME = "/root",
  } = env;
  return [
    ...(REGISTRY_AUTH_FILE ? [REGISTRY_AUTH_FILE] : []),
    ...(XDG_RUNTIME_DIR ? [join(XDG_RUNTIME_DIR, "containers/auth.json")] : []),
    // Where podman login of root writes by default.
    "/run/containers/0/auth.json",
    join(XDG_CONFIG_HOME || join(HOME, ".config"), "containers/auth.json"),
    join(DOCKER_CONFIG || join(HOME, ".docker"), "config.json"),
  ];
}

async function lookUp(host: string, path: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new ControlError(`--authfile: ${path}: ${unreadable(error)}`);
  }
  let file: z.output<typeof authFileSchema>;
  try {
    file = authFileSchema.parse(JSON.parse(text));
  } catch {
    throw new ControlError(`--authfile: ${path} is not what docker login or podman login writes`);
  }
  const names = HUB_NAMES.includes(host) ? [...HUB_NAMES, HUB_KEY] : [host];
  for (const key of names.flatMap((name) => [name, `https://${name}`])) {
    const auth = file.auths[key]?.auth;
    if (auth) return `Basic ${auth}`;
  }
  return undefined;
}
