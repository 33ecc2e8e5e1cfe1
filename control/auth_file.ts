import { readFile } from "node:fs/promises";
import * as z from "zod";
import { ControlError } from "./control_error.ts";

const authFileSchema = z.object({
  auths: z.record(z.string(), z.object({ auth: z.string().optional() })).default({}),
});

/** What stands for Docker Hub in docker's file. */
const HUB_KEY = "https://index.docker.io/v1/";

/**
 * The `Authorization` header for a registry, from a file as `docker login` and `podman login` write it.
 *
 * @throws {ControlError} where the file has none for that registry
 */
export async function authorizationFor(host: string, path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new ControlError(`--authfile: ${(error as Error).message}`);
  }
  let file: z.output<typeof authFileSchema>;
  try {
    file = authFileSchema.parse(JSON.parse(text));
  } catch {
    throw new ControlError(`--authfile: ${path} is not what docker login or podman login writes`);
  }
  for (const key of [host, `https://${host}`, ...(host === "docker.io" ? [HUB_KEY] : [])]) {
    const auth = file.auths[key]?.auth;
    if (auth) return `Basic ${auth}`;
  }
  throw new ControlError(
    `--authfile: ${path} has no credentials for ${host} (those in a credential helper cannot be read)`,
  );
}
