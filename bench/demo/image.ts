import { createCipheriv, createHash, type Hash } from "node:crypto";
import { mkdir, open, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The media types of the OCI image specification v1.1 that an image of ours is made of. */
export const MediaType = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
} as const;

/** How OCI refers to a blob. */
export interface Descriptor {
  mediaType: string;
  digest: string;
  /** Bytes. */
  size: number;
}

export interface ImageOptions {
  /** An empty or absent directory; afterwards an OCI image layout (`oci-layout`, `index.json`, `blobs/`). */
  directory: string;
  /** Bytes of each layer's tar; rounded up to what a tar file can have: see {@link tarBytes}. */
  layerBytes: readonly number[];
  /** The same seed gives the same bytes, so the same digests. Default: "dragonfly". */
  seed?: string;
  /** Default: "latest". */
  tag?: string;
  signal?: AbortSignal;
}

export interface GeneratedImage {
  directory: string;
  tag: string;
  manifest: Descriptor;
  config: Descriptor;
  layers: readonly Descriptor[];
  /** Bytes of manifest, config and layers together: what one pull moves. */
  size: number;
}

const TAR_BLOCK = 512;
const CHUNK = 1024 * 1024;

/** Shares `total` bytes out among layers as unlike in size as those of real images: 1 : 2 : 3 … */
export function layerSizes(total: number, layers: number): number[] {
  const shares = (layers * (layers + 1)) / 2;
  return Array.from({ length: layers }, (_, index) => Math.floor((total * (index + 1)) / shares));
}

/** The bytes of a tar with one file that come nearest to `wanted`, at least the room of an empty one. */
export function tarBytes(wanted: number): number {
  return Math.max(3, Math.ceil(wanted / TAR_BLOCK)) * TAR_BLOCK;
}

/**
 * Writes an image of pseudo-random, incompressible bytes as an OCI image layout. Every layer is a
 * plain tar with one file, so that any container engine can unpack it.
 *
 * @example
 * ```ts
 * const image = await generateImage({ directory, layerBytes: layerSizes(200_000_000, 5) });
 * ```
 */
export async function generateImage(options: ImageOptions): Promise<GeneratedImage> {
  const { directory, seed = "dragonfly", tag = "latest" } = options;
  const blobs = join(directory, "blobs", "sha256");
  await mkdir(blobs, { recursive: true });

  const layers: Descriptor[] = [];
  for (const [index, bytes] of options.layerBytes.entries()) {
    options.signal?.throwIfAborted();
    layers.push(await writeLayer(blobs, index, tarBytes(bytes), seed, options.signal));
  }
  const config = await writeJson(blobs, MediaType.config, {
    architecture: "amd64",
    os: "linux",
    config: {},
    // A layer that is not compressed has its own digest as its diff id.
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.digest) },
    history: layers.map((_, index) => ({ created_by: `layer ${index + 1} of the demo` })),
  });
  const manifest = await writeJson(blobs, MediaType.manifest, {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config,
    layers,
  });
  await writeFile(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  await writeFile(
    join(directory, "index.json"),
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.index,
      manifests: [{ ...manifest, annotations: { "org.opencontainers.image.ref.name": tag } }],
    }),
  );
  const size = [manifest, config, ...layers].reduce((sum, blob) => sum + blob.size, 0);
  return { directory, tag, manifest, config, layers, size };
}

async function writeJson(blobs: string, mediaType: string, content: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(content));
  const hex = createHash("sha256").update(bytes).digest("hex");
  await writeFile(join(blobs, hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.byteLength };
}

async function writeLayer(
  blobs: string,
  index: number,
  size: number,
  seed: string,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const hash = createHash("sha256");
  const unfinished = join(blobs, `layer-${index}.part`);
  const file = await open(unfinished, "wx");
  try {
    for (const bytes of tarOf(`layer-${index + 1}.bin`, size, `${seed}/${index}`)) {
      signal?.throwIfAborted();
      await writeHashed(file, bytes, hash);
    }
  } finally {
    await file.close();
  }
  const hex = hash.digest("hex");
  await rename(unfinished, join(blobs, hex));
  return { mediaType: MediaType.layer, digest: `sha256:${hex}`, size };
}

async function writeHashed(
  file: Awaited<ReturnType<typeof open>>,
  bytes: Uint8Array,
  hash: Hash,
): Promise<void> {
  hash.update(bytes);
  await file.writeFile(bytes);
}

/** A tar of `size` bytes: one header, one file of pseudo-random bytes, two empty blocks. */
function* tarOf(name: string, size: number, seed: string): Generator<Uint8Array> {
  const content = size - 3 * TAR_BLOCK;
  yield tarHeader(name, content);
  // AES in counter mode over zeros: random to any compressor, the same for the same key, and fast.
  const key = createHash("sha256").update(seed).digest();
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(CHUNK);
  for (let left = content; left > 0; left -= CHUNK) {
    yield cipher.update(left < CHUNK ? zeros.subarray(0, left) : zeros);
  }
  yield Buffer.alloc(2 * TAR_BLOCK);
}

/** The ustar header of a plain file (POSIX.1-2017, pax, "ustar Interchange Format"). */
function tarHeader(name: string, size: number): Uint8Array {
  const header = Buffer.alloc(TAR_BLOCK);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(size, 11), 124);
  header.write(octal(0, 11), 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\0", 257);
  header.write("00", 263);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)} `, 148);
  return header;
}
