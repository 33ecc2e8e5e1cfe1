import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GeneratedImage, generateImage, layerSizes, tarBytes } from "./image.ts";

let directory: string;
let image: GeneratedImage;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "image-"));
  image = await generateImage({
    directory: join(directory, "a"),
    layerBytes: [0, 5000, 3_000_000],
    seed: "test",
  });
});
afterAll(() => rm(directory, { recursive: true }));

const blob = (digest: string, name = "a") =>
  join(directory, name, "blobs", "sha256", digest.slice("sha256:".length));

describe("generateImage", () => {
  test("gives every blob the name that its bytes hash to", async () => {
    const names = await readdir(join(directory, "a", "blobs", "sha256"));
    expect(names).toHaveLength(5);
    for (const name of names) {
      const bytes = await readFile(join(directory, "a", "blobs", "sha256", name));
      expect(createHash("sha256").update(bytes).digest("hex")).toBe(name);
    }
  });

  test("has the sizes asked for, rounded up to tar blocks", async () => {
    expect(image.layers.map((layer) => layer.size)).toEqual([1536, 5120, 3_000_320]);
    for (const layer of image.layers) {
      expect((await stat(blob(layer.digest))).size).toBe(layer.size);
    }
    expect(image.size).toBe(
      image.layers.reduce((sum, layer) => sum + layer.size, 0) +
        image.config.size +
        image.manifest.size,
    );
  });

  test("is the same for the same seed, and another for another", async () => {
    const options = { layerBytes: [0, 5000, 3_000_000] };
    const again = await generateImage({
      ...options,
      directory: join(directory, "b"),
      seed: "test",
    });
    const other = await generateImage({
      ...options,
      directory: join(directory, "c"),
      seed: "else",
    });
    expect(again.manifest.digest).toBe(image.manifest.digest);
    expect(other.layers[1]?.digest).not.toBe(image.layers[1]?.digest);
    // The digest that nodes with another version of this program must come to as well.
    expect(image.manifest.digest).toMatchInlineSnapshot(
      `"sha256:06b168acc1b192ebc9a5de79ac0b41768570a40e0806cc2c337e24e18761713d"`,
    );
  });

  test("makes layers that tar can unpack and no compressor can shrink", async () => {
    const layer = image.layers[2]!;
    const listing = execFileSync("tar", ["-tvf", blob(layer.digest)], { encoding: "utf8" });
    expect(listing).toMatch(/^-rw-r--r--.* 2998784 .*layer-3\.bin$/m);
    expect(gzipSync(await readFile(blob(layer.digest))).byteLength).toBeGreaterThan(
      layer.size * 0.99,
    );
  });

  test("names its layers in manifest and config", async () => {
    const manifest = JSON.parse(await readFile(blob(image.manifest.digest), "utf8"));
    expect(manifest.layers).toEqual(image.layers);
    expect(manifest.config).toEqual(image.config);
    const config = JSON.parse(await readFile(blob(image.config.digest), "utf8"));
    expect(config.rootfs.diff_ids).toEqual(image.layers.map((layer) => layer.digest));
    const index = JSON.parse(await readFile(join(directory, "a", "index.json"), "utf8"));
    expect(index.manifests[0].digest).toBe(image.manifest.digest);
  });
});

test("layerSizes shares out the whole", () => {
  const sizes = layerSizes(200_000_000, 5);
  expect(sizes).toHaveLength(5);
  const sum = sizes.reduce((total, size) => total + size, 0);
  expect(sum).toBeGreaterThan(199_999_990);
  expect(sum).toBeLessThanOrEqual(200_000_000);
});

test.each([
  [0, 1536],
  [1536, 1536],
  [1537, 2048],
])("tarBytes(%i) is %i", (wanted, bytes) => expect(tarBytes(wanted)).toBe(bytes));
