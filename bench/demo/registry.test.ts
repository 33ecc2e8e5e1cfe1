import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HttpClient, readBody } from "../../runtime/http_client.ts";
import { type GeneratedImage, generateImage, MediaType } from "./image.ts";
import { REGISTRY_HOST, type RunningRegistry, startRegistry } from "./registry.ts";

let directory: string;
let image: GeneratedImage;
let registry: RunningRegistry;
const client = new HttpClient({ hostAliases: { [REGISTRY_HOST]: "127.0.0.1" } });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "registry-"));
  image = await generateImage({ directory, layerBytes: [20_000_000, 3_000_000] });
});
beforeEach(async () => {
  registry = await startRegistry({ repositories: { "demo/some/image": directory } });
  return () => registry.close();
});
afterAll(async () => {
  client.close();
  await rm(directory, { recursive: true });
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

async function send(
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<Answer> {
  const tls = { ca: [registry.caCert] };
  const answer = await client.request(`${registry.url}/v2/${path}`, { method, headers, tls });
  const body = Buffer.from(await readBody(answer, 30_000_000));
  return { status: answer.status, headers: answer.headers, body };
}

const blobFile = (digest: string) => readFile(join(directory, "blobs/sha256", digest.slice(7)));
const errorCode = (answer: Answer) => JSON.parse(answer.body.toString()).errors[0].code;

describe("manifests", () => {
  test.each([["latest"], ["digest"]])("by %s", async (reference) => {
    const name = reference === "digest" ? image.manifest.digest : reference;
    const answer = await send(`demo/some/image/manifests/${name}`);
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe(MediaType.manifest);
    expect(answer.headers["docker-content-digest"]).toBe(image.manifest.digest);
    expect(answer.headers.etag).toBe(`"${image.manifest.digest}"`);
    expect(answer.body.equals(await blobFile(image.manifest.digest))).toBe(true);
  });

  test("HEAD gives the head alone", async () => {
    const answer = await send("demo/some/image/manifests/latest", {}, "HEAD");
    expect(answer.status).toBe(200);
    expect(answer.headers["content-length"]).toBe(String(image.manifest.size));
    expect(answer.headers["docker-content-digest"]).toBe(image.manifest.digest);
    expect(registry.totalEgress()).toBe(0);
  });
});

describe("blobs", () => {
  test("whole", async () => {
    const layer = image.layers[1]!;
    const answer = await send(`demo/some/image/blobs/${layer.digest}`);
    expect(answer.status).toBe(200);
    expect(answer.headers["accept-ranges"]).toBe("bytes");
    expect(answer.headers["content-length"]).toBe(String(layer.size));
    expect(answer.body.equals(await blobFile(layer.digest))).toBe(true);
  });

  test.each([
    ["bytes=0-0", 0, 0],
    ["bytes=1000000-2200000", 1_000_000, 2_200_000],
    ["bytes=2999999-", 2_999_999, 3_000_319],
    ["bytes=-10", 3_000_310, 3_000_319],
    ["bytes=3000319-9999999", 3_000_319, 3_000_319],
  ])("the part %s", async (range, start, end) => {
    const layer = image.layers[1]!;
    expect(layer.size).toBe(3_000_320);
    const answer = await send(`demo/some/image/blobs/${layer.digest}`, { range });
    expect(answer.status).toBe(206);
    expect(answer.headers["content-range"]).toBe(`bytes ${start}-${end}/3000320`);
    expect(answer.headers["docker-content-digest"]).toBe(layer.digest);
    const whole = await blobFile(layer.digest);
    expect(answer.body.equals(whole.subarray(start, end + 1))).toBe(true);
    expect(registry.egress.get(layer.digest)).toBe(end - start + 1);
  });

  test("a part beyond the end is refused", async () => {
    const path = `demo/some/image/blobs/${image.layers[1]!.digest}`;
    const answer = await send(path, { range: "bytes=3000320-" });
    expect(answer.status).toBe(416);
    expect(answer.headers["content-range"]).toBe("bytes */3000320");
  });

  test("HEAD tells the size and sends nothing, even with a Range", async () => {
    const path = `demo/some/image/blobs/${image.layers[1]!.digest}`;
    const answer = await send(path, { range: "bytes=0-9" }, "HEAD");
    expect(answer.status).toBe(200);
    expect(answer.headers["content-length"]).toBe("3000320");
    expect(registry.totalEgress()).toBe(0);
  });
});

describe("errors in OCI form", () => {
  const unknown = `sha256:${"0".repeat(64)}`;
  test.each([
    ["demo/some/image/manifests/none", 404, "MANIFEST_UNKNOWN"],
    [`demo/some/image/manifests/${unknown}`, 404, "MANIFEST_UNKNOWN"],
    [`demo/some/image/blobs/${unknown}`, 404, "BLOB_UNKNOWN"],
    ["demo/some/image/blobs/..%2F..%2Findex.json", 404, "BLOB_UNKNOWN"],
    ["other/manifests/latest", 404, "NAME_UNKNOWN"],
    [`other/blobs/${unknown}`, 404, "NAME_UNKNOWN"],
    ["nonsense", 404, "NAME_UNKNOWN"],
  ])("%s: %i %s", async (path, status, code) => {
    const answer = await send(path);
    expect(answer.status).toBe(status);
    expect(answer.headers["content-type"]).toContain("application/json");
    expect(errorCode(answer)).toBe(code);
  });

  test("writing is refused", async () => {
    const answer = await send("demo/some/image/blobs/uploads/", {}, "POST");
    expect(answer.status).toBe(405);
    expect(errorCode(answer)).toBe("UNSUPPORTED");
  });
});

test("says that it is a registry, and lists tags", async () => {
  const base = await send("");
  expect(base.status).toBe(200);
  expect(base.headers["docker-distribution-api-version"]).toBe("registry/2.0");
  const tags = await send("demo/some/image/tags/list");
  expect(JSON.parse(tags.body.toString())).toEqual({ name: "demo/some/image", tags: ["latest"] });
});

test("asks for credentials where it has some", async () => {
  const closed = await startRegistry({
    repositories: { "demo/image": directory },
    auth: { username: "sre", password: "secret" },
  });
  try {
    const url = `${closed.url}/v2/demo/image/manifests/latest`;
    const tls = { ca: [closed.caCert] };
    const refused = await client.text(url, { tls });
    expect(refused.status).toBe(401);
    expect(refused.headers["www-authenticate"]).toBe('Basic realm="demo registry"');
    expect(JSON.parse(refused.text).errors[0].code).toBe("UNAUTHORIZED");
    const wrong = `Basic ${btoa("sre:wrong")}`;
    expect((await client.text(url, { tls, headers: { authorization: wrong } })).status).toBe(401);
    expect(closed.totalEgress()).toBe(0);
    const right = `Basic ${btoa("sre:secret")}`;
    expect((await client.text(url, { tls, headers: { authorization: right } })).status).toBe(200);
  } finally {
    await closed.close();
  }
});

test("is trusted by its own authority only", async () => {
  await expect(client.text(`${registry.url}/v2/`, {})).rejects.toThrow(/certificate/);
});

test("counts each answer, and of one that broke off what was sent", async () => {
  const layer = image.layers[0]!;
  await send(`demo/some/image/blobs/${image.config.digest}`);
  await send(`demo/some/image/blobs/${image.config.digest}`);
  expect(registry.egress.get(image.config.digest)).toBe(2 * image.config.size);

  const request = https.get({
    host: "127.0.0.1",
    port: registry.port,
    path: `/v2/demo/some/image/blobs/${layer.digest}`,
    servername: REGISTRY_HOST,
    ca: registry.caCert,
    agent: false,
  });
  const [answer] = await once(request, "response");
  // Nobody reads on: the registry must stop where the buffers between are full.
  const [first] = await once(answer, "data");
  answer.pause();
  expect(first.byteLength).toBeGreaterThan(0);
  request.destroy();
  await once(request, "close");
  await registry.close();
  const sent = registry.egress.get(layer.digest)!;
  expect(sent).toBeGreaterThanOrEqual(first.byteLength);
  expect(sent).toBeLessThan(layer.size);
  expect(registry.totalEgress()).toBe(2 * image.config.size + sent);
});
