import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type CommandOptions, run, type Took } from "./command.ts";
import type { RunningRegistry } from "./docker_registry.ts";
import type { Bench } from "./measure.ts";

export interface SkopeoPull {
  registry: RunningRegistry;
  repository: string;
  /** A proxy's URL, and the directory with the authority to trust; absent: straight to the registry. */
  proxy?: { url: string; trust: string } | undefined;
  prefix?: readonly string[] | undefined;
}

let pulls = 0;

/** Pulls an image by skopeo, which checks every digest, into a directory that goes afterwards. */
export async function skopeoPull(bench: Bench, pull: SkopeoPull): Promise<Took> {
  const { registry, repository, proxy, prefix = [] } = pull;
  const into = join(bench.directory, `pulled-${++pulls}`);
  const command = [
    ...prefix,
    ...["skopeo", "copy", "--quiet", "--insecure-policy"],
    `--src-cert-dir=${proxy?.trust ?? registry.authority.trust}`,
    `docker://${proxy ? registry.host : registry.direct}/${repository}:latest`,
    `dir:${into}`,
  ];
  const env: Record<string, string> = proxy
    ? { HTTPS_PROXY: proxy.url, SSL_CERT_FILE: join(proxy.trust, "ca.crt") }
    : {};
  try {
    return await run(command, { env, signal: bench.signal } satisfies CommandOptions);
  } finally {
    await rm(into, { recursive: true, force: true });
  }
}
