import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { type GeneratedImage, generateImage } from "../demo/image.ts";
import { freePort } from "../demo/loopback.ts";
import { REGISTRY_HOST } from "../demo/registry.ts";
import { type Authority, createFileAuthority } from "./certificates.ts";
import { run } from "./command.ts";
import type { Bench } from "./measure.ts";
import { answers } from "./our_programs.ts";

export interface RegistryOptions {
  address: string;
  /** Goes before the command. */
  prefix?: readonly string[];
}

/** The registry of Docker, by TLS. */
export interface RunningRegistry {
  /** `address:port`, for who asks it directly. */
  direct: string;
  /** `name:port`, for who asks it through dfdaemon. */
  host: string;
  address: string;
  authority: Authority;
  /** What lets our programs find it. */
  hostAliases: Record<string, string>;
  /** Makes an image of one layer each of so many bytes, and pushes it. */
  push(repository: string, layerBytes: readonly number[]): Promise<GeneratedImage>;
  /** Bytes of blobs that it has sent since the last question. */
  egress(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts a registry with an empty storage. */
export async function startDockerRegistry(
  bench: Bench,
  { address, prefix = [] }: RegistryOptions,
): Promise<RunningRegistry> {
  const port = prefix.length > 0 ? 5000 : await freePort(address);
  const home = join(bench.directory, "registry");
  await mkdir(home, { recursive: true });
  const authority = await createFileAuthority(bench.directory, "registry-authority");
  const leaf = await authority.leaf(REGISTRY_HOST, address);
  const config = join(home, "config.yml");
  await writeFile(
    config,
    stringify({
      version: 0.1,
      log: { level: "info", formatter: "json", accesslog: { disabled: true } },
      storage: {
        filesystem: { rootdirectory: join(home, "storage") },
        maintenance: { uploadpurging: { enabled: false } },
      },
      http: {
        addr: `${address}:${port}`,
        secret: "of-no-use-here",
        tls: { certificate: leaf.cert, key: leaf.key },
      },
    }),
  );
  const log = join(home, "output.log");
  const program = bench.programs.start({
    label: "docker-registry",
    command: [...prefix, "docker-registry", "serve", config],
    log,
  });
  const direct = `${address}:${port}`;
  await answers(bench, program, `https://${direct}/v2/`, prefix);
  let counted = 0;
  return {
    direct,
    host: `${REGISTRY_HOST}:${port}`,
    address,
    authority,
    hostAliases: { [REGISTRY_HOST]: address },
    async push(repository, layerBytes) {
      const directory = join(bench.directory, "images", repository);
      const seed = repository;
      const image = await generateImage({ directory, layerBytes, seed, signal: bench.signal });
      const trust = `--dest-cert-dir=${authority.trust}`;
      const to = `docker://${direct}/${repository}:latest`;
      const push = [
        "skopeo",
        "copy",
        "-q",
        "--insecure-policy",
        // Else it packs the layers, whose digests are then others.
        "--preserve-digests",
        trust,
        `oci:${directory}:latest`,
        to,
      ];
      await run([...prefix, ...push], { signal: bench.signal });
      return image;
    },
    stop: () => program.stop(),
    async egress() {
      const text = await readFile(log, "utf8");
      const fresh = text.slice(counted);
      counted = text.length;
      return sentBlobs(fresh);
    },
  };
}

/** Body bytes of the blobs that a registry's log tells of. */
export function sentBlobs(log: string): number {
  let sum = 0;
  for (const line of log.split("\n")) {
    if (!line.includes('"response completed"')) continue;
    const entry = JSON.parse(line) as Record<string, unknown>;
    if (entry["http.request.method"] !== "GET") continue;
    if (!String(entry["http.request.uri"]).includes("/blobs/")) continue;
    sum += Number(entry["http.response.written"] ?? 0);
  }
  return sum;
}
