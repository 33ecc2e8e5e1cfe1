import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type Context, Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { parseDigest } from "../../protocol/digest.ts";
import { createAuthority, mintLeaf } from "../../runtime/certificates.ts";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { type ConnectionEnv, serve } from "../../runtime/serve.ts";
import { type Descriptor, MediaType } from "./image.ts";
import { sendFile } from "./send_file.ts";

/** The name that the registry's certificate is for. */
export const REGISTRY_HOST = "docker-registry.discovery.wmnet";

export interface RegistryOptions {
  /** Repository names and the OCI image layout that each serves, as `generateImage` writes them. */
  repositories: Readonly<Record<string, string>>;
  /** Address to listen on. Default: 127.0.0.1. */
  hostname?: string;
  /** Default: a free one. */
  port?: number;
  /** Asks for these credentials on every request. */
  auth?: { username: string; password: string };
}

export interface RunningRegistry {
  hostname: string;
  port: number;
  /** `https://docker-registry.discovery.wmnet:<port>`; the name must be made to resolve to `hostname`. */
  url: string;
  /** The authority to trust, PEM. */
  caCert: string;
  /**
   * Body bytes sent by digest, of aborted answers too. A stretch counts as it is handed to the
   * connection, so an answer that broke off may count up to 256 KiB too much, never too little.
   */
  egress: ReadonlyMap<string, number>;
  /** The sum of {@link egress}. */
  totalEgress(): number;
  close(): Promise<void>;
}

const ERROR_STATUS = {
  BLOB_UNKNOWN: 404,
  MANIFEST_UNKNOWN: 404,
  NAME_UNKNOWN: 404,
  UNSUPPORTED: 405,
} as const satisfies Record<string, ContentfulStatusCode>;

type RegistryContext = Context<{ Bindings: ConnectionEnv }>;

/**
 * A read-only registry (OCI distribution specification v1.1, "pull") over TLS, with a certificate
 * for {@link REGISTRY_HOST} and its own address from an authority made for it alone. It counts what
 * it sends.
 *
 * @example
 * ```ts
 * const image = await generateImage({ directory, layerBytes: [5_000_000] });
 * const registry = await startRegistry({ repositories: { "demo/image": directory } });
 * // … pull demo/image:latest from registry.url, trusting registry.caCert …
 * registry.egress.get(image.layers[0].digest); // 5000192 after one pull
 * await registry.close();
 * ```
 * @throws {ListenError} when the address cannot be listened on
 */
export async function startRegistry(options: RegistryOptions): Promise<RunningRegistry> {
  const { hostname = "127.0.0.1", port = 0 } = options;
  const egress = new Map<string, number>();
  const app = createApp(await readRepositories(options.repositories), egress, options.auth);
  const nowMs = Date.now();
  const authority = await createAuthority({ commonName: "demo registry CA", days: 7, nowMs });
  const tls = await mintLeaf(authority, { names: [REGISTRY_HOST, hostname], days: 7, nowMs });
  const server = await serve({ fetch: app.fetch, hostname, port, tls });
  return {
    hostname,
    port: server.port,
    url: `https://${REGISTRY_HOST}:${server.port}`,
    caCert: authority.cert,
    egress,
    totalEgress: () => [...egress.values()].reduce((sum, bytes) => sum + bytes, 0),
    close: () => server.close(),
  };
}

/** What a repository holds: its tags, and the media type of every manifest. */
interface Repository {
  directory: string;
  tags: Map<string, string>;
  manifests: Map<string, string>;
}

async function readRepositories(directories: Readonly<Record<string, string>>) {
  const repositories = new Map<string, Repository>();
  for (const [name, directory] of Object.entries(directories)) {
    const repository: Repository = { directory, tags: new Map(), manifests: new Map() };
    repositories.set(name, repository);
    await addManifests(repository, join(directory, "index.json"));
  }
  return repositories;
}

interface IndexEntry extends Descriptor {
  annotations?: Record<string, string>;
}

async function addManifests(repository: Repository, indexPath: string): Promise<void> {
  const index = JSON.parse(await readFile(indexPath, "utf8")) as { manifests: IndexEntry[] };
  for (const { digest, mediaType, annotations } of index.manifests) {
    repository.manifests.set(digest, mediaType);
    const tag = annotations?.["org.opencontainers.image.ref.name"];
    if (tag) repository.tags.set(tag, digest);
    if (mediaType === MediaType.index) await addManifests(repository, blobPath(repository, digest));
  }
}

function blobPath(repository: Repository, digest: string): string {
  return join(repository.directory, "blobs", "sha256", digest.slice("sha256:".length));
}

function createApp(
  repositories: ReadonlyMap<string, Repository>,
  egress: Map<string, number>,
  auth: RegistryOptions["auth"],
) {
  const app = new Hono<{ Bindings: ConnectionEnv }>();
  app.use(async (c, next) => {
    await next();
    if (c.res !== RESPONSE_ALREADY_SENT)
      c.header("Docker-Distribution-API-Version", "registry/2.0");
  });
  if (auth) {
    const invalidUserMessage = ociError("UNAUTHORIZED", "authentication required");
    app.use(basicAuth({ ...auth, realm: "demo registry", invalidUserMessage }));
  }
  app.get("/v2/", (c) => c.json({}));
  app.get("/v2/:name{.+}/tags/list", (c) => {
    const name = c.req.param("name");
    const repository = repositories.get(name);
    if (!repository) return refuse(c, "NAME_UNKNOWN", `no repository ${name}`);
    return c.json({ name, tags: [...repository.tags.keys()].sort() });
  });
  app.get("/v2/:name{.+}/manifests/:reference", (c) => {
    const { name, reference } = c.req.param();
    const repository = repositories.get(name);
    if (!repository) return refuse(c, "NAME_UNKNOWN", `no repository ${name}`);
    const digest = repository.tags.get(reference) ?? reference;
    const mediaType = repository.manifests.get(digest);
    if (!mediaType) return refuse(c, "MANIFEST_UNKNOWN", `no manifest ${name}:${reference}`);
    return sendBlob(c, blobPath(repository, digest), digest, mediaType, egress);
  });
  app.get("/v2/:name{.+}/blobs/:digest", (c) => {
    const { name, digest } = c.req.param();
    const repository = repositories.get(name);
    if (!repository) return refuse(c, "NAME_UNKNOWN", `no repository ${name}`);
    // Only what reads as a digest may become part of a path.
    if (!parseDigest(digest)) return refuse(c, "BLOB_UNKNOWN", `${digest} is not a digest`);
    const path = blobPath(repository, digest);
    return sendBlob(c, path, digest, "application/octet-stream", egress);
  });
  app.all("/v2/*", (c) =>
    ["GET", "HEAD"].includes(c.req.method)
      ? refuse(c, "NAME_UNKNOWN", "no such path")
      : refuse(c, "UNSUPPORTED", "this registry is read-only"),
  );
  return app;
}

function ociError(code: string, message: string) {
  return { errors: [{ code, message }] };
}

function refuse(c: RegistryContext, code: keyof typeof ERROR_STATUS, message: string): Response {
  return c.json(ociError(code, message), ERROR_STATUS[code]);
}

async function sendBlob(
  c: RegistryContext,
  path: string,
  digest: string,
  mediaType: string,
  egress: Map<string, number>,
): Promise<Response> {
  const size = await stat(path).then(
    (stats) => stats.size,
    () => undefined,
  );
  if (size === undefined) return refuse(c, "BLOB_UNKNOWN", `no blob ${digest}`);
  const headers: Record<string, string> = {
    "Accept-Ranges": "bytes",
    "Content-Type": mediaType,
    "Docker-Content-Digest": digest,
    "Docker-Distribution-API-Version": "registry/2.0",
    ETag: `"${digest}"`,
  };
  // A Range counts on GET alone (RFC 9110 §14.2).
  const range = parseRangeHeader(c.req.method === "GET" ? c.req.header("Range") : null, size);
  if (range.kind === "unsatisfiable") {
    return c.body(null, 416, { ...headers, "Content-Range": `bytes */${size}` });
  }
  const { start, end } = range.kind === "part" ? range : { start: 0, end: size - 1 };
  headers["Content-Length"] = String(end - start + 1);
  if (range.kind === "part") headers["Content-Range"] = `bytes ${start}-${end}/${size}`;
  const status = range.kind === "part" ? 206 : 200;
  if (c.req.method === "HEAD") return c.body(null, status, headers);

  const { outgoing } = c.env;
  outgoing.writeHead(status, headers);
  // Written to node's own response: a web stream in between would cost time and blur the count.
  await sendFile(outgoing, path, start, end, (bytes) =>
    egress.set(digest, (egress.get(digest) ?? 0) + bytes),
  );
  return RESPONSE_ALREADY_SENT;
}
