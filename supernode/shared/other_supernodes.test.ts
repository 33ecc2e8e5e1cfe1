import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import { blockCount } from "../../protocol/swarm/blocks.ts";
import { SWARM_VERSION } from "../../protocol/swarm/messages.ts";
import { taskId } from "../../protocol/task_id.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { type Links, openLinks } from "../../runtime/links/links.ts";
import { getLogger } from "../../runtime/logger.ts";
import { type RunningServer, serve } from "../../runtime/serve.ts";
import { createSupernode } from "../app.ts";
import { withDefaults } from "../settings.ts";
import { MemoryLedger } from "../testing/memory_ledger.ts";
import { SourceServer, transcriptContent } from "../testing/source_server.ts";
import { V1Client } from "../testing/v1_client.ts";
import { OwnerClient } from "./owner_client.ts";

const THREE = transcriptContent(10_000_000);
const SECRET = "0123456789abcdef0123456789abcdef";

let home: string;
let source: SourceServer;
let ledger: MemoryLedger;
let http: HttpClient;
let links: Links | undefined;
const open: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "supernodes-"));
  source = await SourceServer.start();
  source.files.set("/three", { bytes: THREE, etag: '"v1"' });
  ledger = new MemoryLedger();
  links = undefined;
  http = new HttpClient();
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  http.close();
  links?.close();
  await source.close();
  await rm(home, { recursive: true });
});

async function start(name: string) {
  let address = "";
  const core = createSupernode({
    config: {
      ...withDefaults(),
      cdnPattern: "source",
      homeDir: join(home, name),
      advertiseIp: "127.0.0.1",
    },
    shared: { ledger, owners: new OwnerClient(http, () => address), self: () => address },
  });
  const app = new Hono();
  for (const routes of [core.legacy, core.swarm, core.filePort]) app.route("/", routes);
  const server: RunningServer = await serve({
    fetch: app.fetch as Parameters<typeof serve>[0]["fetch"],
    hostname: "127.0.0.1",
    port: 0,
    links,
  });
  address = `127.0.0.1:${server.port}`;
  core.listening({ downloadPort: server.port });
  await core.ownership!.start();
  let stopped = false;
  const stop = async () => {
    if (stopped) return;
    stopped = true;
    await server.close(0);
    await core.close();
  };
  open.push(async () => {
    await core.ownership!.stop();
    await stop();
  });
  return { core, address, api: `http://${address}`, stop };
}
type Running = Awaited<ReturnType<typeof start>>;

function v1Client(supernode: Running) {
  const client = new V1Client({ api: supernode.api, url: source.url("/three") });
  open.push(() => client.close());
  return client;
}

async function post(supernode: Running, path: string, body: object, headers = {}) {
  const { text } = await http.text(supernode.api + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    own: true,
  });
  return JSON.parse(text);
}

/** A node of ours; its id cannot be guessed. */
const node = (name: string) => ({
  rawUrl: source.url("/three"),
  cid: `127.0.0.1-${SECRET}-${name}`,
  ip: "127.0.0.1",
  port: 15001,
  path: `/peer/file/${name}`,
  swarm: { version: SWARM_VERSION },
});
const report = (name: string, held = 0) => ({
  ...{ taskId: taskId({ taskUrl: source.url("/three") }), cid: node(name).cid, held },
  ...{ downRate: 0, upRate: 0, leases: [], wantsLeases: 2, starved: [], owed: [], dropped: [] },
  ...{ wrong: [], neighbours: 0, leaving: false },
});
const membersAt = ({ core }: Running) => core.swarmLoad().downloading;

it("takes nodes to the supernode that has the task, and tells them which it is", async () => {
  const [a, b] = [await start("a"), await start("b")];
  const first = await post(a, "/peer/registry", node("one"));
  expect(first.data.swarm.at).toBeUndefined();
  const second = await post(b, "/peer/registry", node("two"));
  expect(second.data.swarm.at).toBe(a.address);
  expect(second.data.swarm.neighbours).toMatchObject([{ id: node("one").cid }]);
  expect([membersAt(a), membersAt(b)]).toEqual([2, 0]);
  // One that cannot reach it speaks to it by way of the other.
  const { tasks } = await post(b, "/swarm/heartbeat", {
    version: SWARM_VERSION,
    tasks: [report("two"), { ...report("two"), cid: "unheard-of" }],
  });
  expect(tasks).toMatchObject([{ known: true }, { known: false }]);
  expect(tasks[0].leases.length).toBeGreaterThan(0);
  const { cid } = node("two");
  const asked = { taskId: report("two").taskId, cid, blocks: [0] };
  expect(await post(b, "/swarm/digests", asked)).toMatchObject({ seals: [] });
});

it("answers what another has handed on itself: nothing goes round in circles", async () => {
  const [a, b] = [await start("a"), await start("b")];
  await post(a, "/peer/registry", node("one"));
  const answer = await post(b, "/peer/registry", node("two"), {
    "x-dragonfly-handed-on": a.address,
  });
  expect(answer.data.swarm.at).toBeUndefined();
  expect([membersAt(a), membersAt(b)]).toEqual([1, 1]);
});

it("takes a task over whose supernode is gone, and its nodes with what they hold", async () => {
  const [a, b] = [await start("a"), await start("b")];
  await post(a, "/peer/registry", node("one"));
  await post(b, "/peer/registry", node("two"));
  await a.stop();
  const { tasks } = await post(b, "/swarm/heartbeat", {
    version: SWARM_VERSION,
    tasks: [report("two")],
  });
  expect(tasks).toMatchObject([{ known: false }]);
  const all = new Bitmap(blockCount(THREE.byteLength));
  for (let block = 0; block < all.size; block++) all.add(block);
  const swarm = { version: SWARM_VERSION, held: all.count, holds: all.toBase64() };
  const again = await post(b, "/peer/registry", { ...node("two"), swarm });
  expect(again.data.swarm.at).toBeUndefined();
  const one = await post(b, "/peer/registry", node("one"));
  // What two holds is not leased again.
  expect(one.data.swarm.leases).toEqual([]);
});

it("lets v1 clients download at the wrong one, also where the right one goes", async () => {
  const [a, b] = [await start("a"), await start("b")];
  expect(Buffer.compare(await v1Client(a).download(), THREE)).toBe(0);
  const sent = source.sent("/three");
  const wrong = v1Client(b);
  await wrong.register();
  expect([...b.core.store.clients()]).toEqual([]);
  expect(await wrong.pull("&status=700&result=502")).toMatchObject({ code: 601 });
  await a.stop();
  expect(await wrong.pull("&status=700&result=502")).toMatchObject({ code: 602 });
  expect([...b.core.store.clients()]).toHaveLength(1);
  expect(sent).toBe(THREE.byteLength);
  expect(Buffer.compare(await v1Client(b).download(), THREE)).toBe(0);
});

it("brings a v1 client back that its supernode has forgotten, once", async () => {
  const [a, b] = [await start("a"), await start("b")];
  await v1Client(a).register();
  const wrong = v1Client(b);
  const { taskId } = await wrong.register();
  const ask = () => wrong.pull("&status=700&result=502");
  const forget = () => a.core.store.removeClient(taskId, wrong.cid);
  expect(forget()).toBe(true);
  expect(await ask()).toMatchObject({ code: 602 });
  expect(await ask()).toMatchObject({ code: 601 });
  expect(forget()).toBe(true);
  expect(await ask()).toMatchObject({ code: 502 });
});

it("takes v1 clients in whose supernode has given their task away to it", async () => {
  const [a, b] = [await start("a"), await start("b")];
  await v1Client(a).register();
  const wrong = v1Client(b);
  const { taskId } = await wrong.register();
  ledger.owners.set(taskId, b.address);
  a.core.store.removeTask(taskId);
  expect(Buffer.compare(await wrong.goOn(), THREE)).toBe(0);
  expect([...b.core.store.clients()]).toMatchObject([{ cid: wrong.cid }]);
});

it("tells the next supernode what a v1 client has, also where it asks for more at the same time", async () => {
  const [a, b] = [await start("a"), await start("b")];
  await v1Client(a).register();
  const wrong = v1Client(b);
  const { taskId, pieceSize } = await wrong.register();
  await a.stop();
  const stored = `/peer/piece/suc?taskId=${taskId}&cid=${wrong.cid}&dstCid=&pieceRange=0-${pieceSize - 1}`;
  const ask = () => wrong.pull("&status=700&result=502");
  const answers = await Promise.all([ask(), wrong.get(stored), ask()]);
  expect(answers.map(({ code }) => code)).toEqual([602, 611, 602]);
  const { has } = b.core.holdings(taskId, wrong.cid)!;
  expect([...has]).toEqual([0]);
});

it("speaks for a v1 client only to the address that registered it", async () => {
  const [a, b] = [await start("a"), await start("b")];
  await v1Client(a).register();
  const wrong = v1Client(b);
  await wrong.register();
  const query = new URLSearchParams({
    ...{ srcCid: wrong.cid, dstCid: "", range: "", result: "502", status: "700" },
    taskId: wrong.task!.taskId,
  });
  const { text } = await http.text(`${b.api}/peer/task?${query}`, { localAddress: "127.0.0.2" });
  expect(JSON.parse(text)).toMatchObject({ code: 502 });
});

it("takes a task over from one that says nothing, once it lives no more", async () => {
  const silent = createServer(() => {});
  await new Promise<void>((listening) => silent.listen(0, "127.0.0.1", listening));
  open.push(async () => silent.close());
  const frozen = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  ledger.owners.set(report("one").taskId, frozen);
  ledger.alive.set(frozen, "run");
  const b = await start("b");
  const connected = once(silent, "connection");
  const registered = post(b, "/peer/registry", node("one"));
  const [socket] = (await connected) as [Socket];
  expect(membersAt(b)).toBe(0);
  ledger.alive.delete(frozen);
  expect((await registered).data.swarm.at).toBeUndefined();
  expect(membersAt(b)).toBe(1);
  socket.destroy();
});

it("asks the others as one of ours, where our programs share a secret", async () => {
  const secretFile = join(home, "secret");
  await writeFile(secretFile, "a secret of more than 32 characters\n");
  links = await openLinks({ secretFile }, getLogger("supernode"));
  http = new HttpClient({ links });
  const [a, b] = [await start("a"), await start("b")];
  await post(a, "/peer/registry", node("one"));
  const { data } = await post(b, "/peer/registry", node("two"));
  expect(data.swarm.at).toBe(a.address);
  expect([membersAt(a), membersAt(b)]).toEqual([2, 0]);
});

it("has a file fetched by the one that has its task", async () => {
  const [a, b] = [await start("a"), await start("b")];
  await post(a, "/peer/registry", node("one"));
  await b.core.ownership!.ownerOf("of no account");
  // Without its routes for preheating it cannot be asked: then the file is fetched here.
  await b.core.prefetch({ url: source.url("/three"), headers: {}, filter: [], identifier: "" });
  expect(b.core.store.task(report("one").taskId)!.cdnStatus).toBe("SUCCESS");
});
