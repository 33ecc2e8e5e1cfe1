import { describe, expect, test } from "vitest";
import { choosePlatforms, parseManifest, parsePlatform } from "./manifest.ts";

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const [A, B, C] = [digest("a"), digest("b"), digest("c")];

describe("manifests", () => {
  test.each([
    [
      "Docker schema 1, each blob once",
      { schemaVersion: 1, name: "x", fsLayers: [{ blobSum: A }, { blobSum: B }, { blobSum: A }] },
      { kind: "image", blobs: [A, B] },
    ],
    [
      "Docker schema 2: configuration and layers",
      {
        schemaVersion: 2,
        mediaType: "application/vnd.docker.distribution.manifest.v2+json",
        config: { digest: A, size: 1 },
        layers: [{ digest: B }, { digest: C }],
      },
      { kind: "image", blobs: [A, B, C] },
    ],
    [
      "OCI, without the layers that lie elsewhere",
      {
        schemaVersion: 2,
        config: { digest: A },
        layers: [
          { digest: B, urls: ["https://elsewhere.example/b"] },
          { digest: C, urls: [] },
        ],
      },
      { kind: "image", blobs: [A, C] },
    ],
    [
      "an index",
      {
        schemaVersion: 2,
        manifests: [
          { digest: A, size: 1, platform: { os: "linux", architecture: "amd64", features: [] } },
          { digest: B },
        ],
      },
      {
        kind: "index",
        manifests: [{ digest: A, platform: { os: "linux", architecture: "amd64" } }, { digest: B }],
      },
    ],
  ])("%s", (_name, json, wanted) => {
    expect(parseManifest(JSON.stringify(json))).toEqual(wanted);
  });

  test.each([
    ["not JSON", "<html>", /not JSON/],
    ["something else", "{}", /of no kind we know/],
    [
      "a digest that leads out of the repository",
      '{"config":{"digest":"../x"},"layers":[]}',
      /of no kind/,
    ],
    ["null", "null", /of no kind/],
  ])("%s is refused", (_name, text, message) => {
    expect(() => parseManifest(text)).toThrow(message);
  });
});

describe("platforms", () => {
  const entry = (name: string, platform?: string) => ({
    digest: name,
    platform: platform === undefined ? undefined : parsePlatform(platform),
  });
  const entries = [
    entry("amd64", "linux/amd64"),
    entry("arm64", "linux/arm64/v8"),
    entry("armv6", "linux/arm/v6"),
    entry("armv7", "linux/arm/v7"),
    entry("windows", "windows/amd64"),
    entry("attestation", "unknown/unknown"),
    entry("bare"),
  ];

  test.each([
    [undefined, ["amd64", "arm64", "armv6", "armv7", "windows", "bare"]],
    ["linux/amd64", ["amd64"]],
    ["linux/arm64", ["arm64"]],
    ["linux/arm64/v8", ["arm64"]],
    ["linux/arm", ["armv6", "armv7"]],
    ["linux/arm/v6", ["armv6"]],
    ["windows/amd64", ["windows"]],
  ])("%s", (platform, wanted) => {
    const chosen = choosePlatforms(entries, platform ? parsePlatform(platform) : undefined);
    expect(chosen.map((one) => one.digest)).toEqual(wanted);
  });

  test("64-bit ARM without a variant is v8", () => {
    const plain = [entry("plain", "linux/arm64")];
    expect(choosePlatforms(plain, parsePlatform("linux/arm64/v8"))).toEqual(plain);
    expect(() => choosePlatforms(plain, parsePlatform("linux/arm64/v9"))).toThrow();
  });

  test("a platform that is not there is said with those that are", () => {
    expect(() => choosePlatforms(entries, parsePlatform("linux/s390x"))).toThrow(
      "the image has nothing for linux/s390x; it has linux/amd64, linux/arm64/v8, linux/arm/v6",
    );
    expect(() => choosePlatforms([])).toThrow("lists no manifests");
  });
});
