import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LEAST_BLOCK_BYTES as BLOCK_BYTES } from "../protocol/swarm/blocks.ts";
import { SWARM_VERSION } from "../protocol/swarm/messages.ts";
import { HttpClient } from "../runtime/http_client.ts";
import { secretWord } from "../runtime/secret_word.ts";
import { type RunningSupernode, startSupernode } from "./start.ts";
import { SourceServer, transcriptContent } from "./testing/source_server.ts";

const CONTENT = transcriptContent(3 * BLOCK_BYTES);
const DIGEST = "a".repeat(64);
const PATH = `/v2/private/blobs/sha256:${DIGEST}`;
const RIGHT = { Authorization: "Basic right" };

let home: string;
let source: SourceServer;
/** Another site, where somebody else decides who may have what. */
let elsewhere: SourceServer;
let supernode: RunningSupernode;
let http: HttpClient;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "supernode-"));
  [source, elsewhere] = [await SourceServer.start(), await SourceServer.start()];
  source.files.set(PATH, { bytes: CONTENT, authorizations: [RIGHT.Authorization] });
  elsewhere.files.set(PATH, { bytes: CONTENT });
  supernode = await start("source");
  http = new HttpClient();
});
afterEach(async () => {
  http.close();
  await supernode.close(0);
  await Promise.all([source.close(), elsewhere.close()]);
  await rm(home, { recursive: true });
});

function start(
  cdnPattern: "local" | "source",
  allowedSources: readonly string[] = [],
): Promise<RunningSupernode> {
  return startSupernode({
    cdnPattern,
    homeDir: home,
    listenIp: "127.0.0.1",
    listenPort: 0,
    downloadPort: 0,
    advertiseIp: "127.0.0.1",
    maxBandwidth: 0,
    allowedSources,
  });
}

interface Asked {
  url: string;
  taskUrl?: string;
  headers?: Record<string, string>;
  cid?: string;
  path?: string;
  swarm?: boolean;
}

async function register(asked: Asked) {
  const { url, taskUrl = url, headers = {}, path = "/peer/file/x", swarm = false } = asked;
  const answer = await http.text(`${api()}/peer/registry`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      rawUrl: url,
      taskUrl,
      cid: asked.cid ?? `127.0.0.1-${secretWord()}-1-1.000`,
      ip: "127.0.0.1",
      hostName: "node",
      port: 15001,
      path,
      superNodeIp: "127.0.0.1",
      headers: Object.entries(headers).map(([name, value]) => `${name}:${value}`),
      ...(swarm ? { swarm: { version: SWARM_VERSION } } : {}),
    }),
  });
  return { status: answer.status, text: answer.text, ...JSON.parse(answer.text) };
}

const api = () => `http://127.0.0.1:${supernode.listenPort}`;

it("gives no path to one who shows another site's answer for the private task", async () => {
  const inside = await register({ url: source.url(PATH), headers: RIGHT });
  expect(inside.status).toBe(200);
  const outside = await register({ url: elsewhere.url(PATH), taskUrl: source.url(PATH) });
  expect(outside).toMatchObject({
    status: 500,
    message: expect.stringMatching(/^taskURL must be/),
  });
  expect(outside.text).not.toContain("taskId");
});

it("tells nobody of a layer's swarm whom another registry lets have a layer of that digest", async () => {
  const path = "/peer/file/the-private-one";
  const asked = { url: source.url(PATH), headers: RIGHT, swarm: true };
  expect((await register({ ...asked, path })).data.swarm).toMatchObject({ neighbours: [] });
  const outside = await register({ url: elsewhere.url(PATH), swarm: true });
  expect(outside.data.swarm).toMatchObject({ neighbours: [] });
  const inside = await register(asked);
  expect(inside.data.swarm.neighbours).toMatchObject([{ path }]);
});

it("asks the site of the URL, whatever Host a client names", async () => {
  const seen: unknown[] = [];
  const headers = { ...RIGHT, Host: "elsewhere", "Transfer-Encoding": "chunked", Connection: "x" };
  expect((await register({ url: source.url(PATH), headers })).status).toBe(200);
  for (const request of source.requests) seen.push(request.headers);
  expect(seen).not.toEqual([]);
  expect(seen).toEqual(
    seen.map(() => expect.objectContaining({ host: new URL(source.url("/")).host })),
  );
  expect(JSON.stringify(seen)).not.toMatch(/elsewhere|chunked/);
});

it("remembers whom the source let in, and nobody else", async () => {
  const asked = { url: source.url(PATH), headers: RIGHT };
  expect((await register(asked)).status).toBe(200);
  source.files.set(PATH, { bytes: CONTENT, authorizations: [] });
  // Remembered: the source is not asked.
  expect((await register(asked)).status).toBe(200);
  // Others' rights are not.
  expect((await register({ ...asked, headers: { Authorization: "Basic no" } })).status).toBe(500);
});

it("says nothing to one who guesses a v1 client's id, from another address", async () => {
  const cid = "127.0.0.1-4711-1795513266.665";
  const { data } = await register({ url: source.url(PATH), headers: RIGHT, cid });
  const query = `srcCid=${cid}&taskId=${data.taskId}&status=700&result=502`;
  await supernode.close(0);
  supernode = await startSupernode({
    cdnPattern: "source",
    homeDir: home,
    listenIp: "0.0.0.0",
    listenPort: 0,
    downloadPort: 0,
    advertiseIp: "127.0.0.1",
  });
  await register({ url: source.url(PATH), headers: RIGHT, cid });
  const from = async (localAddress: string, path: string) => {
    const { request } = await import("node:http");
    return new Promise<string>((resolve, reject) => {
      const options = { host: "127.0.0.1", port: supernode.listenPort, path, localAddress };
      const sent = request({ ...options, agent: false }, async (answer) => {
        const chunks: Buffer[] = [];
        for await (const chunk of answer) chunks.push(chunk as Buffer);
        resolve(Buffer.concat(chunks).toString());
      });
      sent.on("error", reject).end();
    });
  };
  expect(JSON.parse(await from("127.0.0.3", `/peer/task?${query}`)).code).toBe(502);
  const down = `/peer/service/down?cid=${cid}&taskId=${data.taskId}`;
  expect(JSON.parse(await from("127.0.0.3", down)).code).toBe(500);
  expect(JSON.parse(await from("127.0.0.1", `/peer/task?${query}`)).code).toBe(601);
});

it("tells a swarm's members nothing of a heartbeat that names no member", async () => {
  const asked = { url: source.url(PATH), headers: RIGHT, swarm: true };
  const { data } = await register(asked);
  const answer = await http.text(`${api()}/swarm/heartbeat`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      version: SWARM_VERSION,
      tasks: [{ taskId: data.taskId, cid: "127.0.0.1-1-1.000", held: 0, neighbours: 0 }],
    }),
  });
  expect(JSON.parse(answer.text).tasks).toMatchObject([
    { taskId: data.taskId, known: false, neighbours: [], leases: [] },
  ]);
});

it("fetches nothing from a link-local address, by whatever way it is led there", async () => {
  source.files.set("/to-the-cloud", { bytes: CONTENT, location: "http://169.254.169.254/latest/" });
  for (const url of ["http://169.254.169.254/latest/", source.url("/to-the-cloud")]) {
    const answer = await register({ url });
    expect(answer).toMatchObject({
      status: 500,
      message: expect.stringContaining("169.254.169.254 is a link-local address"),
    });
  }
});

it("preheats nothing from there either, of an image or of a file", async () => {
  const preheats = `${api()}/preheats`;
  const there = "http://169.254.169.254/v2/x/manifests/latest";
  source.files.set("/v2/away/manifests/latest", { bytes: CONTENT, location: there });
  for (const type of ["image", "file"])
    for (const url of [there, source.url("/v2/away/manifests/latest")]) {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({ type, url });
      const { text } = await http.text(preheats, { method: "POST", headers, body });
      const job = async () =>
        JSON.parse((await http.text(`${preheats}/${JSON.parse(text).ID}`)).text) as object;
      await vi.waitUntil(async () => !/WAITING|RUNNING/.test(JSON.stringify(await job())));
      expect(await job()).toMatchObject({
        status: "FAILED",
        errorMsg: expect.stringContaining("169.254.169.254 is a link-local address"),
      });
    }
});

it("fetches from allowedSources alone, once there are some", async () => {
  await supernode.close(0);
  supernode = await start("local", [new URL(source.url("/")).host]);
  source.files.set("/away", { bytes: CONTENT, location: elsewhere.url(PATH) });
  expect((await register({ url: source.url(PATH), headers: RIGHT })).status).toBe(200);
  for (const url of [elsewhere.url(PATH), source.url("/away")]) {
    expect(await register({ url })).toMatchObject({
      status: 500,
      message: expect.stringContaining("is not among this supernode's allowedSources"),
    });
  }
  expect(elsewhere.requests).toEqual([]);
});
