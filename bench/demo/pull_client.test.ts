import { copyFile, cp, mkdtemp, open, rm } from "node:fs/promises";
import http from "node:http";
import net, { type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAuthority } from "../../runtime/certificates.ts";
import { type GeneratedImage, generateImage } from "./image.ts";
import { type PullOptions, pullImage } from "./pull_client.ts";
import { REGISTRY_HOST, type RunningRegistry, startRegistry } from "./registry.ts";

let directory: string;
let image: GeneratedImage;
let registry: RunningRegistry;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "pull-"));
  image = await generateImage({
    directory: join(directory, "image"),
    layerBytes: [100_000, 2_000_000, 5_000_000, 1_000_000],
  });
  registry = await startRegistry({ repositories: { "demo/image": image.directory } });
});
afterAll(async () => {
  await registry.close();
  await rm(directory, { recursive: true });
});

const options = (): PullOptions => ({
  registry: { host: REGISTRY_HOST, port: registry.port },
  repository: "demo/image",
  reference: "latest",
  ca: registry.caCert,
  address: "127.0.0.1",
});

/** A proxy that joins each CONNECT blindly to the registry, as long as it lives. */
async function startBlindProxy() {
  const targets: string[] = [];
  const sockets = new Set<Socket>();
  const server = http.createServer();
  server.on("connect", (request, socket: Socket, head) => {
    targets.push(request.url ?? "");
    const upstream = net.connect(registry.port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    hostname: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    targets,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("pullImage", () => {
  test("straight from the registry", async () => {
    let seen = 0;
    let total = 0;
    const result = await pullImage({
      ...options(),
      onProgress: (bytes, all) => {
        seen += bytes;
        total = all;
      },
    });
    expect(new Set(result.blobs.map((blob) => blob.digest))).toEqual(
      new Set([image.manifest, image.config, ...image.layers].map((blob) => blob.digest)),
    );
    expect(result.blobs.every((blob) => blob.verified)).toBe(true);
    expect(total).toBe(image.size - image.manifest.size);
    expect(seen).toBe(total);
    expect(result.seconds).toBeGreaterThan(0);
  });

  test("through a proxy, over at most three connections", async () => {
    const proxy = await startBlindProxy();
    try {
      const result = await pullImage({ ...options(), address: "127.0.0.9", proxy });
      expect(result.blobs).toHaveLength(6);
      expect(result.blobs.every((blob) => blob.verified)).toBe(true);
      expect(new Set(proxy.targets)).toEqual(new Set([`${REGISTRY_HOST}:${registry.port}`]));
      expect(proxy.targets.length).toBeLessThanOrEqual(3);
    } finally {
      await proxy.close();
    }
  });

  test("tells a blob whose bytes are wrong", async () => {
    const layer = image.layers[1]!;
    const damaged = join(directory, "damaged");
    await cp(image.directory, damaged, { recursive: true });
    const file = await open(join(damaged, "blobs", "sha256", layer.digest.slice(7)), "r+");
    await file.write(Buffer.from("wrong"), 0, 5, 1_000_000);
    await file.close();
    const other = await startRegistry({ repositories: { "demo/image": damaged } });
    try {
      const result = await pullImage({
        ...options(),
        registry: { host: REGISTRY_HOST, port: other.port },
        ca: other.caCert,
      });
      expect(result.blobs.filter((blob) => !blob.verified).map((blob) => blob.digest)).toEqual([
        layer.digest,
      ]);
    } finally {
      await other.close();
    }
  });

  test("tells a manifest whose bytes are wrong", async () => {
    const damaged = join(directory, "damaged-manifest");
    await cp(image.directory, damaged, { recursive: true });
    const other = await generateImage({ directory: join(directory, "other"), layerBytes: [1] });
    const blob = (name: string, digest: string) => join(name, "blobs", "sha256", digest.slice(7));
    await copyFile(
      blob(other.directory, other.manifest.digest),
      blob(damaged, image.manifest.digest),
    );
    await cp(join(other.directory, "blobs"), join(damaged, "blobs"), {
      recursive: true,
      force: false,
    });
    const liar = await startRegistry({ repositories: { "demo/image": damaged } });
    try {
      const result = await pullImage({
        ...options(),
        registry: { host: REGISTRY_HOST, port: liar.port },
        ca: liar.caCert,
      });
      expect(result.blobs.map((pulled) => pulled.verified)).toEqual([false, true, true]);
    } finally {
      await liar.close();
    }
  });

  test("fails on an unknown tag with the request and its status", async () => {
    await expect(pullImage({ ...options(), reference: "none" })).rejects.toThrow(
      "GET /v2/demo/image/manifests/none: the answer is 404, not 200",
    );
  });

  test("fails on a certificate of another authority", async () => {
    const stranger = await createAuthority({ commonName: "x", days: 1, nowMs: Date.now() });
    await expect(pullImage({ ...options(), ca: stranger.cert })).rejects.toThrow(/certificate/);
  });

  test("fails when the connection breaks in the middle, and when nobody listens", async () => {
    const proxy = await startBlindProxy();
    const pull = pullImage({ ...options(), proxy, onProgress: () => proxy.cut() });
    await expect(pull).rejects.toThrow(/^GET \/v2\/demo\/image\/blobs\/sha256:/);
    await proxy.close();
    await expect(pullImage({ ...options(), proxy })).rejects.toThrow(
      `proxy 127.0.0.1:${proxy.port}: connect ECONNREFUSED`,
    );
  });

  test("ends when it is told to", async () => {
    const stop = new AbortController();
    const pull = pullImage({
      ...options(),
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(pull).rejects.toThrow("the pull was aborted");
  });
});
