import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import https from "node:https";
import * as z from "zod";
import { MediaType } from "./image.ts";
import { IDLE_MS, SILENCE, TunnelAgent } from "./tunnel_agent.ts";

export interface PullOptions {
  /** The registry as its URLs name it; also the name that its certificate must bear. */
  registry: { host: string; port: number };
  /** `demo/image`, without registry or tag. */
  repository: string;
  /** Tag or digest. */
  reference: string;
  /** The authority to trust, PEM: the registry's own, or that of a proxy which intercepts. */
  ca: string;
  /** A plain HTTP proxy to reach the registry through, by CONNECT. */
  proxy?: { hostname: string; port: number };
  /** Where to connect without a proxy, when the registry's name does not resolve. */
  address?: string;
  /** The value of an `Authorization` header. */
  authorization?: string;
  /** Blobs fetched at once. Default: 3, as container engines do. */
  parallel?: number;
  /** Told of every stretch of config or layer that arrived, and of the bytes of the whole image. */
  onProgress?: (bytes: number, total: number) => void;
  signal?: AbortSignal;
}

export interface PulledBlob {
  digest: string;
  size: number;
  /** Whether the bytes hash to the digest, and are as many as the manifest says. */
  verified: boolean;
  /** The longest time for which nothing of it came, s. */
  silentSeconds: number;
}

export interface PullResult {
  seconds: number;
  /** Manifest, config and layers. */
  blobs: readonly PulledBlob[];
}

/** The pull could not be done; the message says which request failed, and how. */
export class PullError extends Error {
  override name = "PullError";
}

const descriptorSchema = z.object({ digest: z.string(), size: z.number().int().nonnegative() });
const manifestSchema = z.object({ config: descriptorSchema, layers: z.array(descriptorSchema) });

/**
 * Pulls an image the way a container engine does: the manifest first, then config and layers, three
 * at once over kept connections, each hashed as it streams. Nothing is stored.
 *
 * @throws {PullError} when a request fails; a wrong digest is told in the result instead
 */
export async function pullImage(options: PullOptions): Promise<PullResult> {
  const { signal, parallel = 3 } = options;
  const startedMs = performance.now();
  const agent = options.proxy
    ? new TunnelAgent({ proxy: options.proxy, ...options.registry, ca: options.ca }, parallel)
    : new https.Agent({ keepAlive: true, maxSockets: parallel });
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new PullError("the pull was aborted"));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
  });
  try {
    const blobs = await Promise.race([pullBlobs(agent, options, parallel), aborted]);
    return { seconds: (performance.now() - startedMs) / 1000, blobs };
  } finally {
    signal?.removeEventListener("abort", abort);
    // Cuts what is still under way.
    agent.destroy();
  }
}

async function pullBlobs(
  agent: https.Agent,
  options: PullOptions,
  parallel: number,
): Promise<PulledBlob[]> {
  const manifest = await pullManifest(agent, options);
  const waiting = [manifest.content.config, ...manifest.content.layers];
  const total = waiting.reduce((sum, blob) => sum + blob.size, 0);
  const blobs: PulledBlob[] = [manifest.blob];
  const worker = async () => {
    for (let blob = waiting.shift(); blob; blob = waiting.shift()) {
      blobs.push(await pullBlob(agent, options, blob, total));
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return blobs;
}

async function pullManifest(agent: https.Agent, options: PullOptions) {
  const path = `/v2/${options.repository}/manifests/${options.reference}`;
  const chunks: Uint8Array[] = [];
  const { headers, hex, ...read } = await get(
    agent,
    options,
    path,
    (bytes) => chunks.push(bytes),
    MediaType.manifest,
  );
  const promised = headers["docker-content-digest"];
  const digest = typeof promised === "string" ? promised : `sha256:${hex}`;
  const content = manifestSchema.safeParse(parseJson(Buffer.concat(chunks).toString("utf8")));
  if (!content.success) throw new PullError(`GET ${path}: the answer is not an image manifest`);
  return {
    content: content.data,
    blob: { ...read, digest, verified: digest === `sha256:${hex}` },
  };
}

async function pullBlob(
  agent: https.Agent,
  options: PullOptions,
  blob: { digest: string; size: number },
  total: number,
): Promise<PulledBlob> {
  const path = `/v2/${options.repository}/blobs/${blob.digest}`;
  const { size, hex, silentSeconds } = await get(agent, options, path, (bytes) =>
    options.onProgress?.(bytes.byteLength, total),
  );
  const verified = blob.digest === `sha256:${hex}` && size === blob.size;
  return { ...blob, verified, silentSeconds };
}

interface Answer {
  headers: IncomingHttpHeaders;
  size: number;
  /** sha256 of the body. */
  hex: string;
  /** The longest time without a byte of the body, s. */
  silentSeconds: number;
}

/** Sends a request and reads its answer to the end. */
function get(
  agent: https.Agent,
  options: PullOptions,
  path: string,
  onBytes: (bytes: Uint8Array) => void,
  accept?: string,
): Promise<Answer> {
  const { host, port } = options.registry;
  return new Promise((resolve, reject) => {
    let lastMs = performance.now();
    const fail = (why: string) => reject(new PullError(`GET ${path}: ${why}`));
    const request = https.request({
      agent,
      host: options.proxy ? host : (options.address ?? host),
      port,
      servername: host,
      ca: options.ca,
      path,
      headers: {
        host: `${host}:${port}`,
        ...(accept ? { accept } : {}),
        ...(options.authorization ? { authorization: options.authorization } : {}),
      },
    });
    request.setTimeout(IDLE_MS, () => request.destroy(new Error(SILENCE)));
    request.on("error", (error) => fail(error.message));
    request.on("response", (answer) => {
      const hash = createHash("sha256");
      let size = 0;
      let silentMs = 0;
      const broken = (why: string) => fail(`the answer broke off after ${size} bytes (${why})`);
      answer.on("error", (error) => broken(error.message));
      answer.on("close", () => broken("connection closed"));
      if (answer.statusCode !== 200) {
        fail(`the answer is ${answer.statusCode}, not 200`);
        return answer.resume();
      }
      answer.on("data", (bytes: Uint8Array) => {
        const nowMs = performance.now();
        silentMs = Math.max(silentMs, nowMs - lastMs);
        lastMs = nowMs;
        hash.update(bytes);
        size += bytes.byteLength;
        onBytes(bytes);
      });
      answer.on("end", () => {
        const { headers } = answer;
        resolve({ headers, size, hex: hash.digest("hex"), silentSeconds: silentMs / 1000 });
      });
    });
    request.end();
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
