import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { taskId } from "../../protocol/task_id.ts";
import { preheatRequestSchema } from "../../protocol/v1/preheat.ts";
import { HttpClient, readBody } from "../../runtime/http_client.ts";
import { preheatRoutes } from "../routes/preheat.ts";
import type { PrefetchRequest } from "./file.ts";
import { PreheatJobs } from "./preheat.ts";

const USER = `Basic ${Buffer.from("joe:secret").toString("base64")}`;

/** A registry of one image for two platforms, behind a token server that knows one user. */
class TestRegistry {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  readonly requests: string[] = [];
  readonly asked: http.IncomingHttpHeaders[] = [];
  /** Seconds a token lives, as the token server says. */
  expiresIn = 300;
  tokens = 0;
  #server = http.createServer((request, response) => this.#answer(request, response));

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const image = (name: string) => {
      const layers = [this.#blob(`${name} layer 1`), this.#blob("shared layer")];
      return this.#manifest({ schemaVersion: 2, config: this.#blob(`${name} config`), layers });
    };
    const index = {
      schemaVersion: 2,
      manifests: [
        { digest: image("amd64"), platform: { os: "linux", architecture: "amd64" } },
        { digest: image("arm64"), platform: { os: "linux", architecture: "arm64" } },
        { digest: image("attestation"), platform: { os: "unknown", architecture: "unknown" } },
      ],
    };
    this.manifests.set("latest", Buffer.from(JSON.stringify(index)));
    this.manifests.set("wrong", Buffer.from('{"hello": "world"}'));
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #blob(text: string): { digest: string } {
    const digest = sha256(Buffer.from(text));
    this.blobs.set(digest, Buffer.from(text));
    return { digest };
  }

  #manifest(json: object): string {
    const bytes = Buffer.from(JSON.stringify(json));
    this.manifests.set(sha256(bytes), bytes);
    return sha256(bytes);
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = new URL(request.url!, this.origin);
    this.asked.push(request.headers);
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    if (url.pathname === "/token") {
      if (request.headers.authorization !== USER) return void response.writeHead(401).end();
      this.tokens += 1;
      const answer = { token: `token-${this.tokens}`, expires_in: this.expiresIn };
      return void response.end(JSON.stringify(answer));
    }
    const token = /^Bearer token-(\d+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (token === undefined || Number(token) > this.tokens) {
      const challenge = `Bearer realm="${this.origin}/token",service="test",scope="repository:a/b:pull"`;
      return void response.writeHead(401, { "www-authenticate": challenge }).end();
    }
    const match = /^\/v2\/a\/b\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname);
    const body = match && this[match[1] as "manifests" | "blobs"].get(match[2]!);
    return void (body ? response.end(body) : response.writeHead(404).end());
  }
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

let registry: TestRegistry;
let client: HttpClient;
let fetched: { url: string; status: number; text: string }[];
let nowMs: number;
let app: ReturnType<typeof preheatRoutes>;

/** Stands for the supernode's own download: asks the real server, keeps what it got. */
async function prefetch({ url, headers }: PrefetchRequest): Promise<void> {
  const answer = await client.request(url, { headers });
  const text = Buffer.from(await readBody(answer, 1e6)).toString();
  fetched.push({ url, status: answer.status, text });
  if (answer.status !== 200) throw new Error(`source answered ${answer.status}`);
}

beforeEach(async () => {
  registry = new TestRegistry();
  await registry.start();
  client = new HttpClient();
  fetched = [];
  nowMs = Date.parse("2026-01-01T00:00:00Z");
  app = preheatRoutes(new PreheatJobs({ prefetch, client, now: () => nowMs, concurrency: 2 }));
});
afterEach(async () => {
  client.close();
  await registry.stop();
});

async function post(body: unknown): Promise<{ status: number; json: Record<string, string> }> {
  const answer = await app.request("/preheats", { method: "POST", body: JSON.stringify(body) });
  return { status: answer.status, json: (await answer.json()) as Record<string, string> };
}

async function get(path: string) {
  const answer = await app.request(path);
  // biome-ignore lint/suspicious/noExplicitAny: what the route answered, to be looked at
  return { status: answer.status, json: (await answer.json()) as any };
}

/** Waits for a job's end. */
async function ended(id: string | undefined) {
  for (;;) {
    const { json } = await get(`/preheats/${id}`);
    if (json.status === "SUCCESS" || json.status === "FAILED") return json;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function image(more: object = {}) {
  const url = `${registry.origin}/v2/a/b/manifests/latest`;
  return { type: "image", url, headers: { Authorization: USER }, ...more };
}

test("an image: all blobs of all platforms, each once, with the token and without the password", async () => {
  const { status, json } = await post(image());
  expect(status).toBe(201);
  expect(await ended(json.ID)).toEqual({
    ID: json.ID,
    startTime: "2026-01-01T00:00:00.000Z",
    finishTime: "2026-01-01T00:00:00.000Z",
    status: "SUCCESS",
  });
  const texts = fetched.map((one) => one.text).sort();
  expect(texts).toEqual([
    "amd64 config",
    "amd64 layer 1",
    "arm64 config",
    "arm64 layer 1",
    "shared layer",
  ]);
  expect(registry.tokens).toBe(1);
  expect(registry.requests[1]).toBe("GET /token?service=test&scope=repository%3Aa%2Fb%3Apull");
});

test.each(["image", "file"])(
  "%s: the site of the URL is asked, whatever Host is named",
  async (type) => {
    const url = `${registry.origin}/v2/a/b/manifests/latest`;
    const odd = {
      host: "elsewhere",
      "Transfer-Encoding": "chunked",
      Connection: "x",
      "X-Odd": "y",
    };
    const { json } = await post({ type, url, headers: { Authorization: USER, ...odd } });
    await ended(json.ID);
    expect(registry.asked.length).toBeGreaterThan(0);
    for (const headers of registry.asked) {
      expect(headers.host).toBe(new URL(registry.origin).host);
      expect(JSON.stringify(headers)).not.toMatch(/elsewhere|chunked/);
    }
    expect(registry.asked[0]).toMatchObject({ "x-odd": "y" });
  },
);

test("an image: one platform only", async () => {
  const { json } = await post(image({ platform: "linux/arm64" }));
  expect((await ended(json.ID)).status).toBe("SUCCESS");
  expect(fetched.map((one) => one.text).sort()).toEqual([
    "arm64 config",
    "arm64 layer 1",
    "shared layer",
  ]);
});

test("a token that has expired is renewed", async () => {
  registry.expiresIn = 0.001;
  const { json } = await post(image());
  expect((await ended(json.ID)).status).toBe("SUCCESS");
  expect(registry.tokens).toBeGreaterThan(1);
});

test("the list shows an image and its files, and never its headers", async () => {
  const { json } = await post(image({ platform: "linux/amd64" }));
  await ended(json.ID);
  const list = await get("/preheats");
  const parent = list.json.find((job: { ID: string }) => job.ID === json.ID);
  expect(parent).toEqual({
    ID: json.ID,
    URL: `${registry.origin}/v2/a/b/manifests/latest`,
    Type: "image",
    Filter: "",
    Identifier: "",
    Headers: null,
    ParentID: "",
    Children: expect.any(Array),
    Status: "SUCCESS",
    StartTime: nowMs,
    FinishTime: nowMs,
    ErrorMsg: "",
  });
  const children = list.json.filter((job: { ParentID: string }) => job.ParentID === json.ID);
  expect(children.map((job: { ID: string }) => job.ID)).toEqual(parent.Children);
  expect(children).toHaveLength(3);
  expect(children[0]).toMatchObject({ Type: "file", Children: null, Status: "SUCCESS" });
  const shown = JSON.stringify(list.json);
  expect(shown).not.toContain(USER.slice(6));
  expect(shown).not.toContain("token-");
});

test.each([
  ["no credentials", { headers: {} }, /token server http:\/\/127.*answered 401/],
  [
    "a platform it has not",
    { platform: "linux/s390x" },
    /nothing for linux\/s390x; it has linux\/amd64, linux\/arm64/,
  ],
])("an image that fails: %s", async (_name, more, message) => {
  const { json } = await post(image(more));
  const job = await ended(json.ID);
  expect(job.status).toBe("FAILED");
  expect(job.errorMsg).toMatch(message);
  expect(fetched).toEqual([]);
});

test.each([
  ["not there", "none", /manifests\/none answered 404/],
  ["no manifest", "wrong", /of no kind we know/],
])("an image whose manifest is %s", async (_name, reference, message) => {
  const { json } = await post(image({ url: `${registry.origin}/v2/a/b/manifests/${reference}` }));
  expect((await ended(json.ID)).errorMsg).toMatch(message);
});

test("an image of which a blob is gone fails and says which way", async () => {
  registry.blobs.delete(sha256(Buffer.from("arm64 config")));
  const { json } = await post(image());
  const job = await ended(json.ID);
  expect(job.status).toBe("FAILED");
  expect(job.errorMsg).toBe("1 of 5 files failed; the first: source answered 404");
  expect(fetched).toHaveLength(5);
});

test("a manifest that is not what its digest says is refused", async () => {
  const [digest] = [...registry.manifests.keys()].filter((key) => key.startsWith("sha256:"));
  registry.manifests.set(digest!, Buffer.from('{"config":{"digest":"sha256:aa"},"layers":[]}'));
  const { json } = await post(image());
  expect((await ended(json.ID)).errorMsg).toMatch(`the manifest is not ${digest}`);
});

test("a file has the id of its task; failed, it says why, and can be tried again", async () => {
  const url = `${registry.origin}/v2/a/b/blobs/sha256:none?sign=hidden`;
  const { status, json } = await post({ type: "file", url, filter: "sign" });
  expect(status).toBe(201);
  expect(json.ID).toBe(taskId({ taskUrl: url.split("?")[0]! }));
  expect(await ended(json.ID)).toMatchObject({ status: "FAILED", errorMsg: "source answered 401" });
  expect(JSON.stringify((await get("/preheats")).json)).not.toContain("hidden");
  expect((await post({ type: "file", url, filter: "sign" })).json.ID).toBe(json.ID);
  await ended(json.ID);
  expect(fetched).toHaveLength(2);
});

test("the same request while it runs joins it", async () => {
  const first = await post(image());
  const second = await post(image());
  expect(second.json.ID).toBe(first.json.ID);
  await ended(first.json.ID);
  expect(fetched).toHaveLength(5);
});

test.each([
  [{ type: "zip", url: "http://h/p" }, "type in body should be one of [image file]"],
  [{}, "type in body is required\nurl in body is required"],
  [{ type: "file", url: "ftp://h/p" }, "url in body should be an http or https URL"],
  [
    { type: "image", url: "http://h/p" },
    "url in body should be scheme://host/v2/<name>/manifests/<ref> for an image",
  ],
  [
    { type: "file", url: "http://h/p", platform: "x" },
    "platform in body should be os/architecture[/variant]",
  ],
])("refused: %j", async (body, message) => {
  const { status, json } = await post(body);
  expect(status).toBe(400);
  expect(json).toEqual({ code: 400, message: `validation failure list:\n${message}` });
});

test("an unknown id, an empty list, a body that is not JSON", async () => {
  expect(await get("/preheats/nope")).toEqual({
    status: 404,
    json: { code: 404, message: "nope doesn't exists" },
  });
  expect((await get("/preheats")).json).toEqual([]);
  const answer = await app.request("/preheats", { method: "POST", body: "{" });
  expect(answer.status).toBe(400);
});

test("a job is forgotten on request, with its files, or after a day", async () => {
  const { json } = await post(image());
  await ended(json.ID);
  const answer = await app.request(`/preheats/${json.ID}`, { method: "DELETE" });
  expect(await answer.json()).toBe(true);
  expect((await get("/preheats")).json).toEqual([]);

  await ended((await post(image())).json.ID);
  nowMs += 24 * 60 * 60 * 1000;
  expect((await get("/preheats")).json).toHaveLength(6);
  nowMs += 1;
  expect((await get("/preheats")).json).toEqual([]);
});

test("so many at once and no more", async () => {
  const never = () => new Promise<void>(() => {});
  app = preheatRoutes(new PreheatJobs({ prefetch: never, client, now: () => nowMs }));
  const file = (number: number) => ({ type: "file", url: `${registry.origin}/${number}` });
  for (let number = 0; number < 1000; number++) expect((await post(file(number))).status).toBe(201);
  expect(await post(file(1000))).toEqual({
    status: 429,
    json: { code: 429, message: "1000 preheats are under way: ask again later" },
  });
  // One who joins is no burden.
  expect((await post(file(999))).status).toBe(201);
});

test("remembers so many and no more, the latest", async () => {
  const jobs = new PreheatJobs({
    prefetch: async () => {},
    client,
    now: () => nowMs,
    maxJobs: 100,
  });
  const file = (number: number) => ({
    ...preheatRequestSchema.parse({ type: "file", url: `http://127.0.0.1:9/${number}` }),
  });
  for (let number = 0; number < 200; number++) {
    jobs.create(file(number));
    while (jobs.active > 10) await new Promise((resolve) => setImmediate(resolve));
  }
  const urls = jobs.list().map(({ url }) => url);
  expect(urls.length).toBeLessThanOrEqual(100);
  expect(urls.at(-1)).toBe("http://127.0.0.1:9/199");
  expect(urls).not.toContain("http://127.0.0.1:9/0");
});
