import { mkdtemp, readdir, rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  peerViewSchema,
  preheatViewSchema,
  reachableSchema,
  statusViewSchema,
  taskSummarySchema,
  taskViewSchema,
} from "../../protocol/control/messages.ts";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import { LEAST_BLOCK_BYTES as BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { SWARM_VERSION } from "../../protocol/swarm/messages.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { secretWord } from "../../runtime/secret_word.ts";
import { type RunningSupernode, startSupernode } from "../start.ts";
import { SourceServer, transcriptContent } from "../testing/source_server.ts";
import { V1Client } from "../testing/v1_client.ts";

const MB = 1024 * 1024;
let home: string;
let source: SourceServer;
let client: HttpClient;
const cleanUps: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "supernode-control-"));
  source = await SourceServer.start();
  source.files.set("/layer", { bytes: transcriptContent(9 * MB) });
  client = new HttpClient();
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  client.close();
  await source.close();
  await rm(home, { recursive: true });
});

async function start(cdnPattern: "local" | "source"): Promise<RunningSupernode> {
  const supernode = await startSupernode({
    cdnPattern,
    homeDir: home,
    listenIp: "127.0.0.1",
    listenPort: 0,
    downloadPort: 0,
    advertiseIp: "127.0.0.1",
    maxBandwidth: 0,
  });
  cleanUps.push(() => supernode.close(0));
  return supernode;
}

async function ask(supernode: RunningSupernode, method: string, path: string, body?: unknown) {
  const answer = await client.text(`http://127.0.0.1:${supernode.listenPort}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: JSON.parse(answer.text) as unknown, text: answer.text };
}

async function v1Client(supernode: RunningSupernode): Promise<V1Client> {
  const api = `http://127.0.0.1:${supernode.listenPort}`;
  const v1 = new V1Client({ api, url: source.url("/layer?token=hidden") });
  cleanUps.push(() => v1.close());
  return v1;
}

it("shows who holds what, and nothing by which one could get it", async () => {
  const supernode = await start("local");
  const [whole, fresh] = [await v1Client(supernode), await v1Client(supernode)];
  await whole.download();
  await fresh.register();
  const list = await ask(supernode, "GET", "/control/tasks");
  const [summary] = taskSummarySchema.array().parse(list.body);
  expect(summary).toMatchObject({
    length: 9 * MB,
    url: source.url("/layer?token=…"),
    cdnStatus: "SUCCESS",
    clients: { waiting: 1, success: 1, running: 0, failed: 0 },
  });
  const answer = await ask(supernode, "GET", `/control/tasks/${summary!.id}`);
  const task = taskViewSchema.parse(answer.body);
  expect(task).toMatchObject({ pieces: 3, seeded: 3 });
  expect(task.holders.map(({ share, state, protocol }) => ({ share, state, protocol }))).toEqual([
    { share: 1, state: "SUCCESS", protocol: "v1" },
    { share: 0, state: "WAITING", protocol: "v1" },
  ]);
  const peers = await ask(supernode, "GET", "/control/peers");
  expect(peerViewSchema.array().parse(peers.body)).toHaveLength(2);
  for (const { text } of [list, answer, peers]) {
    expect(text).not.toContain(whole.cid);
    expect(text).not.toContain("hidden");
    expect(text).not.toContain("/peer/file/");
  }
});

it("shows how far a member of a swarm is, as it has said", async () => {
  const supernode = await start("source");
  const cid = `127.0.0.1-1-${secretWord()}-1`;
  const registered = await ask(supernode, "POST", "/peer/registry", {
    rawUrl: source.url("/layer"),
    taskUrl: source.url("/layer"),
    cid,
    ip: "127.0.0.1",
    hostName: "node1",
    port: 15001,
    path: `/peer/file/layer-${secretWord()}-1`,
    swarm: { version: SWARM_VERSION },
  });
  const { taskId } = (registered.body as { data: { taskId: string } }).data;
  const pieces = new Bitmap(3);
  pieces.add(0);
  const report = { taskId, cid, held: 5, downRate: 7 * MB, neighbours: 0 };
  await ask(supernode, "POST", "/swarm/heartbeat", {
    version: SWARM_VERSION,
    tasks: [{ ...report, pieces: pieces.toBase64() }],
  });
  const task = taskViewSchema.parse((await ask(supernode, "GET", `/control/tasks/${taskId}`)).body);
  expect(task.holders).toMatchObject([
    {
      hostName: "node1",
      protocol: "swarm",
      state: "RUNNING",
      pieces: pieces.toBase64(),
      share: 5 / ((9 * MB) / BLOCK_BYTES),
      downRate: 7 * MB,
    },
  ]);
  // Its leases cover the file's beginning; a piece takes four blocks.
  expect(task.holders[0]!.fetches).toContain(0);
});

it("forgets a task and deletes the copy, but not while nodes are at it", async () => {
  const supernode = await start("local");
  const v1 = await v1Client(supernode);
  const { taskId } = await v1.register();
  const path = `/control/tasks/${taskId}`;
  expect(await ask(supernode, "DELETE", path)).toMatchObject({ status: 409 });
  const other = await v1Client(supernode);
  await other.download();
  expect(await ask(supernode, "DELETE", `${path}?force=true`)).toMatchObject({
    status: 200,
    body: { task: true, bytes: 9 * MB + 15 },
  });
  expect(await readdir(join(home, "repo", "download", taskId.slice(0, 3)))).toEqual([]);
  expect(await ask(supernode, "DELETE", path)).toMatchObject({ status: 404 });
  expect(await ask(supernode, "DELETE", "/control/tasks/..%2f..%2fetc")).toMatchObject({
    status: 400,
  });
});

it("drains: takes no new work, finishes what runs, and can be taken back", async () => {
  const supernode = await start("local");
  const running = await v1Client(supernode);
  await running.register();
  const drained = await ask(supernode, "POST", "/control/drain", { draining: true });
  expect(statusViewSchema.parse(drained.body)).toMatchObject({
    draining: true,
    active: { clients: 1 },
  });
  const ready = await client.text(`http://127.0.0.1:${supernode.listenPort}/readyz`);
  expect(ready).toMatchObject({ status: 503, text: "draining\n" });
  await expect((await v1Client(supernode)).register()).rejects.toThrow(/500 .*draining/);
  const preheat = { type: "file", url: source.url("/layer") };
  expect(await ask(supernode, "POST", "/preheats", preheat)).toMatchObject({ status: 503 });
  // Who was there before gets the file.
  const answer = await running.pull("&dstCid=&range=&result=502&status=700");
  expect([601, 602]).toContain(answer.code);

  await ask(supernode, "POST", "/control/drain", { draining: false });
  await (await v1Client(supernode)).register();
  expect(await client.text(`http://127.0.0.1:${supernode.listenPort}/readyz`)).toMatchObject({
    status: 200,
  });
});

it("says how far a preheat has come", async () => {
  const supernode = await start("local");
  const created = await ask(supernode, "POST", "/preheats", {
    type: "file",
    url: source.url("/layer"),
  });
  const { ID } = created.body as { ID: string };
  await expect
    .poll(
      async () => {
        const { body } = await ask(supernode, "GET", `/control/preheats/${ID}`);
        return preheatViewSchema.parse(body);
      },
      { timeout: 30_000 },
    )
    .toMatchObject({
      status: "SUCCESS",
      files: [{ status: "SUCCESS", length: 9 * MB, bytes: 9 * MB }],
    });
});

/** A web server on a port where peers serve. */
async function listenWherePeersDo(says: string): Promise<number> {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url ?? "");
    response.end(says);
  });
  cleanUps.push(() => new Promise((resolve) => server.close(resolve)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  if (port >= 15_000 && port <= 65_000) return port;
  return listenWherePeersDo(says);
}

it("calls back the asker's own address, and no other", async () => {
  const supernode = await start("local");
  const reach = (body: object) => ask(supernode, "POST", "/control/reachable", body);
  const port = await listenWherePeersDo("success\n");
  expect(reachableSchema.parse((await reach({ port })).body)).toEqual({
    reachable: true,
    address: "127.0.0.1",
    reason: "",
  });
  const other = await listenWherePeersDo("hello");
  expect((await reach({ port: other })).body).toMatchObject({
    reachable: false,
    reason: "another program answers there",
  });
  expect(await reach({ port, host: "192.0.2.1" })).toMatchObject({ status: 400 });
  expect(await reach({ port: 22 })).toMatchObject({ status: 400 });
  expect(await reach({ port: 80 })).toMatchObject({ status: 400 });
});

it("takes no changes from a page in a browser, which cannot send JSON unasked", async () => {
  const supernode = await start("local");
  const answer = await client.text(`http://127.0.0.1:${supernode.listenPort}/control/drain`, {
    method: "POST",
    headers: { "content-type": "text/plain" },
    body: '{"draining":true}',
  });
  expect(answer.status).toBe(400);
  expect((await ask(supernode, "GET", "/control/status")).body).toMatchObject({ draining: false });
});
