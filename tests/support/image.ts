import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Scratch } from "./scratch.ts";

export const MB = 1024 * 1024;

export interface Layer {
  /** `sha256:…` of the compressed layer, as registries name it. */
  digest: string;
  /** Bytes of the compressed layer. */
  size: number;
}

/** An image as an OCI layout on disk. */
export interface Image {
  /** As skopeo names it. */
  reference: string;
  manifestDigest: string;
  configDigest: string;
  layers: Layer[];
}

/**
 * Makes a real image: each layer is a tar of one file with so many random bytes, so no layer can be
 * compressed or resemble another.
 *
 * @param sizes bytes of each layer's file
 */
export async function createImage(
  scratch: Scratch,
  name: string,
  sizes: readonly number[],
): Promise<Image> {
  const layout = join("images", name);
  const blobs = await scratch.directory(layout, "blobs", "sha256");
  const layers: (Layer & { diffId: string })[] = [];
  for (const [index, size] of sizes.entries()) {
    layers.push(await writeLayer(blobs, `layer${index}.bin`, size));
  }
  const config = await writeJson(blobs, {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const manifest = await writeJson(blobs, {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers: layers.map(({ digest, size }) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      digest,
      size,
    })),
  });
  const directory = await scratch.directory(layout);
  await writeFile(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(
    join(directory, "index.json"),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [
        {
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          ...manifest,
          annotations: { "org.opencontainers.image.ref.name": "latest" },
        },
      ],
    }),
  );
  return {
    reference: `oci:${directory}:latest`,
    manifestDigest: manifest.digest,
    configDigest: config.digest,
    layers: layers.map(({ digest, size }) => ({ digest, size })),
  };
}

/** Where a layer's bytes lie. */
export function blobPath({ reference }: Image, { digest }: Layer): string {
  const [, directory] = reference.split(":");
  const [, hex] = digest.split(":");
  return join(directory!, "blobs", "sha256", hex!);
}

/** The digests of all blobs in a directory that skopeo wrote (`dir:…`), recomputed from their bytes. */
export async function blobsIn(directory: string): Promise<Layer[]> {
  const found: Layer[] = [];
  for (const name of await readdir(directory)) {
    if (!/^[0-9a-f]{64}$/.test(name)) continue;
    const path = join(directory, name);
    const hash = createHash("sha256");
    await pipeline(createReadStream(path, { highWaterMark: MB }), hash);
    found.push({ digest: `sha256:${hash.digest("hex")}`, size: (await stat(path)).size });
  }
  return found;
}

/** The digest of the manifest in a directory that skopeo wrote. */
export async function manifestDigestIn(directory: string): Promise<string> {
  return sha256(await readFile(join(directory, "manifest.json")));
}

async function writeLayer(blobs: string, fileName: string, size: number) {
  const diffId = createHash("sha256");
  const digest = createHash("sha256");
  let written = 0;
  const taste = (hash: ReturnType<typeof createHash>, count: (bytes: number) => void) =>
    new PassThrough({
      highWaterMark: MB,
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        count(chunk.length);
        done(null, chunk);
      },
    });
  const temporary = join(blobs, fileName);
  await pipeline(
    Readable.from(tar(fileName, size), { objectMode: false, highWaterMark: MB }),
    taste(diffId, () => {}),
    // Random bytes do not compress: only the format is wanted.
    createGzip({ level: 0, chunkSize: MB }),
    taste(digest, (bytes) => {
      written += bytes;
    }),
    createWriteStream(temporary),
  );
  const hex = digest.digest("hex");
  await rename(temporary, join(blobs, hex));
  return { digest: `sha256:${hex}`, size: written, diffId: `sha256:${diffId.digest("hex")}` };
}

/** A tar archive of one file with random content. */
function* tar(name: string, size: number): Generator<Buffer> {
  const header = Buffer.alloc(512);
  const octal = (value: number, length: number) =>
    `${value.toString(8).padStart(length - 1, "0")}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(size, 12), 124);
  header.write(octal(0, 12), 136);
  header.write("        0", 148);
  header.write("ustar\x0000", 257);
  header.write(
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      7,
    )} `,
    148,
  );
  yield header;
  for (let left = size; left > 0; left -= MB) yield randomBytes(Math.min(left, MB));
  const padding = (512 - (size % 512)) % 512;
  yield Buffer.alloc(padding + 1024);
}

async function writeJson(blobs: string, value: unknown): Promise<Layer> {
  const text = Buffer.from(JSON.stringify(value));
  const digest = sha256(text);
  await writeFile(join(blobs, digest.slice("sha256:".length)), text);
  return { digest, size: text.length };
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
