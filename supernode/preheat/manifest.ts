import * as z from "zod";
import { PreheatError } from "./preheat_error.ts";

/** What an image manifest is about: blobs, or further manifests of which one is for a platform. */
export type Manifest =
  | { kind: "image"; blobs: string[] }
  | { kind: "index"; manifests: ManifestEntry[] };

export interface ManifestEntry {
  digest: string;
  platform?: Platform | undefined;
}

export interface Platform {
  os: string;
  architecture: string;
  variant?: string | undefined;
}

/** Every kind of manifest we can read, for the `Accept` header. */
export const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
  "application/vnd.docker.distribution.manifest.v1+json",
];

const digestSchema = z.string().regex(/^[a-z0-9]+([+._-][a-z0-9]+)*:[0-9a-zA-Z=_-]+$/);
const platformSchema = z.object({
  os: z.string(),
  architecture: z.string(),
  variant: z.string().optional(),
});
const indexSchema = z.object({
  manifests: z.array(z.object({ digest: digestSchema, platform: platformSchema.optional() })),
});
const imageSchema = z.object({
  config: z.object({ digest: digestSchema }),
  layers: z.array(z.object({ digest: digestSchema, urls: z.array(z.string()).optional() })),
});
const schema1 = z.object({
  schemaVersion: z.literal(1),
  fsLayers: z.array(z.object({ blobSum: digestSchema })),
});

/**
 * Reads a manifest: Docker schema 1, schema 2 or list, OCI manifest or index. The shape decides, for
 * registries are careless with content types. Layers that lie elsewhere (`urls`) are left out.
 *
 * @throws {PreheatError} when it is none of these
 */
export function parseManifest(text: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new PreheatError("the manifest is not JSON");
  }
  const index = indexSchema.safeParse(json);
  if (index.success) return { kind: "index", manifests: index.data.manifests };
  const image = imageSchema.safeParse(json);
  if (image.success) {
    const layers = image.data.layers.filter((layer) => !layer.urls || layer.urls.length === 0);
    return { kind: "image", blobs: unique([image.data.config, ...layers].map((d) => d.digest)) };
  }
  const old = schema1.safeParse(json);
  if (old.success) return { kind: "image", blobs: unique(old.data.fsLayers.map((l) => l.blobSum)) };
  throw new PreheatError("the manifest is of no kind we know (Docker schema 1, 2, list; OCI)");
}

/** Reads `os/architecture[/variant]`, as the request schema has checked it. */
export function parsePlatform(text: string): Platform {
  const [os = "", architecture = "", variant] = text.split("/");
  return { os, architecture, variant };
}

/**
 * The manifests of an index to preheat: those for `platform`, or all. Entries of no real platform
 * (`unknown/unknown`: attestations) are never taken, for no node pulls them.
 *
 * @throws {PreheatError} when none is left
 */
export function choosePlatforms(
  entries: readonly ManifestEntry[],
  platform?: Platform,
): ManifestEntry[] {
  const real = entries.filter((entry) => entry.platform?.os !== "unknown");
  const chosen = real.filter(
    (entry) => !platform || (entry.platform && matches(entry.platform, platform)),
  );
  if (chosen.length > 0) return chosen;
  if (!platform) throw new PreheatError("the image's index lists no manifests");
  const offered = unique(real.map((entry) => formatPlatform(entry.platform)));
  throw new PreheatError(
    `the image has nothing for ${formatPlatform(platform)}; it has ${offered.join(", ") || "nothing"}`,
  );
}

function matches(offered: Platform, wanted: Platform): boolean {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return false;
  if (!wanted.variant) return true;
  // 64-bit ARM without a variant means v8, 32-bit v7, as container runtimes read it.
  const usual = { arm64: "v8", arm: "v7" }[offered.architecture];
  return (offered.variant || usual) === wanted.variant;
}

function formatPlatform(platform: Platform | undefined): string {
  if (!platform) return "(no platform)";
  const { os, architecture, variant } = platform;
  return [os, architecture, variant].filter(Boolean).join("/");
}

function unique(values: string[]): string[] {
  return [...new Set(values)];
}
