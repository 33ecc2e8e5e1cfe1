import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { LEAST_BLOCK_BYTES as BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import type { HaveMessage } from "../../protocol/swarm/have_stream.ts";
import type { HeartbeatRequest, TaskAdvice, TaskReport } from "../../protocol/swarm/messages.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { serve } from "../../runtime/serve.ts";
import { NO_SPAN } from "../../runtime/tracing/tracing.ts";
import { BodyCount } from "../download/body_count.ts";
import { peerServerApp } from "../serve/app.ts";
import { Uplink } from "../serve/uplink.ts";
import { Catalog } from "../store/catalog.ts";
import { OwnPath } from "../store/own_path.ts";
import { sha256 } from "../store/sha256.ts";
import { TaskFile } from "../store/task_file.ts";
import { SupernodeClient } from "../supernode/supernode_client.ts";
import { Heartbeats } from "./heartbeats.ts";
import { NeighbourLink } from "./neighbour_link.ts";
import { SourceRunner } from "./source_runner.ts";
import { SwarmSessions } from "./swarm_sessions.ts";

const BLOCKS = 6;
const LENGTH = BLOCKS * BLOCK_BYTES - 1000;
const bytes = randomBytes(LENGTH);
const http = new HttpClient();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dragonfly-swarm-"));
});
afterAll(async () => {
  http.close();
  await rm(folder, { recursive: true });
});

async function listen(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  const server = createServer(handler);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** Resolves when `condition` holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("SourceRunner", () => {
  /** A runner at a source that answers as told, and what it has brought and said. */
  async function runner(handler: (request: IncomingMessage, response: ServerResponse) => void) {
    const port = await listen(handler);
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    const got = new Map<number, Uint8Array>();
    const reserved = new Set<number>();
    const sealed = new Set<number>();
    let news = 0;
    const self = new SourceRunner({
      source: { url: `http://127.0.0.1:${port}/blob`, headers: { authorization: "mine" } },
      fileLength: LENGTH,
      pieceSize: 4 * BLOCK_BYTES,
      http,
      signal: stop.signal,
      bodies: new BodyCount(),
      holds: (block) => got.has(block),
      isSealed: (block) => sealed.has(block),
      span: NO_SPAN,
      onReserve: (block, mine) => void (mine ? reserved.add(block) : reserved.delete(block)),
      onComing: () => {},
      onBlock: async (block, content) => {
        got.set(block, content);
        return sha256(content);
      },
      onNews: () => {
        news += 1;
      },
    });
    return { self, got, reserved, sealed, port, stop, news: () => news };
  }
  const ranges: string[] = [];
  const source = (request: IncomingMessage, response: ServerResponse) => {
    ranges.push(request.headers.range ?? "all");
    const range = parseRangeHeader(request.headers.range, LENGTH);
    if (range.kind !== "part") return response.writeHead(200).end(bytes);
    return response
      .writeHead(206, { "content-range": `bytes ${range.start}-${range.end}/${LENGTH}` })
      .end(bytes.subarray(range.start, range.end + 1));
  };

  it("brings each run by one request, block by block, and wants the next before it is done", async () => {
    ranges.length = 0;
    const { self, got, reserved, news } = await runner(source);
    expect(self.wants).toBe(2);
    self.grant([
      { id: 1, first: 0, count: 2 },
      { id: 2, first: 4, count: 2 },
    ]);
    expect([...reserved]).toEqual([0, 1, 4, 5]);
    expect(self.wants).toBe(0);
    await until(() => news() === 2);
    expect(ranges).toEqual([
      `bytes=0-${2 * BLOCK_BYTES - 1}`,
      `bytes=${4 * BLOCK_BYTES}-${LENGTH - 1}`,
    ]);
    for (const block of [0, 1, 4, 5]) {
      const start = block * BLOCK_BYTES;
      expect(Buffer.from(got.get(block)!).equals(bytes.subarray(start, start + BLOCK_BYTES))).toBe(
        true,
      );
    }
    expect(self.report()).toMatchObject([
      { id: 1, done: 2, failed: false },
      { id: 2, done: 2, failed: false },
    ]);
    // What is done is told once.
    expect(self.report()).toEqual([]);
    expect(self.wants).toBe(2);
  });

  it("goes on with the first of the list that it has not begun, whichever it heard of first", async () => {
    ranges.length = 0;
    const { self, news } = await runner(source);
    const [one, two, three] = [0, 2, 4].map((first) => ({ id: first, first, count: 2 }));
    self.grant([one!, two!]);
    self.grant([one!, three!, two!]);
    await until(() => news() === 3);
    expect(ranges.map((range) => Number(/\d+/.exec(range)![0]) / BLOCK_BYTES)).toEqual([0, 4, 2]);
  });

  it("lets go of what is taken back", async () => {
    const { self, got, reserved } = await runner((_request, response) => {
      response.writeHead(206, { "content-range": `bytes 0-${2 * BLOCK_BYTES - 1}/${LENGTH}` });
      response.write(bytes.subarray(0, 1000));
    });
    self.grant([{ id: 1, first: 0, count: 2 }]);
    await until(() => (self.report()[0]?.partBytes ?? 0) > 0);
    self.grant([]);
    expect(reserved.size).toBe(0);
    expect(self.busy).toBe(false);
    expect(got.size).toBe(0);
  });

  it("goes on with what another supernode grants it again, and lets go of the rest", async () => {
    let requests = 0;
    const { self, reserved } = await runner((_request, response) => {
      requests += 1;
      response.writeHead(206, { "content-range": `bytes 0-${2 * BLOCK_BYTES - 1}/${LENGTH}` });
      response.write(bytes.subarray(0, 1000));
    });
    self.grant([
      { id: 1, first: 0, count: 2 },
      { id: 2, first: 4, count: 2 },
    ]);
    await until(() => (self.report()[0]?.partBytes ?? 0) > 0);
    expect(self.fetching).toEqual([
      { first: 0, count: 2 },
      { first: 4, count: 2 },
    ]);
    self.grantAfresh([{ id: 2, first: 0, count: 2 }]);
    expect(self.report()).toMatchObject([{ id: 2, done: 0, partBytes: 1000 }]);
    expect([...reserved]).toEqual([0, 1]);
    expect(requests).toBe(1);
  });

  it("fetches no lease again that it was granted for what came meanwhile", async () => {
    ranges.length = 0;
    const { self, news } = await runner(source);
    self.grant([{ id: 1, first: 0, count: 2 }]);
    await until(() => news() === 1);
    self.report();
    self.grantAfresh([{ id: 7, first: 0, count: 2 }]);
    expect(self.report()).toMatchObject([{ id: 7, done: 2, failed: false }]);
    expect(ranges).toHaveLength(1);
  });

  it("is done with a lease whose blocks came from elsewhere, and asks for nothing when all is over", async () => {
    let requests = 0;
    const { self, got, stop } = await runner((_request, response) => {
      requests += 1;
      response.writeHead(206, { "content-range": `bytes 0-${2 * BLOCK_BYTES - 1}/${LENGTH}` });
      response.write(bytes.subarray(0, 1000));
    });
    const granted = [
      { id: 1, first: 0, count: 2 },
      { id: 2, first: 4, count: 2 },
    ];
    self.grant(granted);
    await until(() => (self.report()[0]?.partBytes ?? 0) > 0);
    for (let block = 0; block < BLOCKS; block++) got.set(block, bytes);
    stop.abort();
    self.finishHeld();
    self.grant(granted);
    expect(self.report()).toMatchObject([
      { id: 1, done: 2, failed: false },
      { id: 2, done: 2, failed: false },
    ]);
    self.grant([...granted, { id: 3, first: 2, count: 1 }]);
    expect(self.report()).toMatchObject([{ done: 2 }, { done: 2 }, { id: 3, done: 1 }]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(requests).toBe(1);
  });

  it("tells another supernode of what is done but not sealed, with what it hashes to", async () => {
    ranges.length = 0;
    const { self, got, sealed, news } = await runner(source);
    self.grant([{ id: 1, first: 0, count: 2 }]);
    await until(() => news() === 1);
    self.report();
    self.grant([]);
    sealed.add(0);
    expect(self.fetching).toEqual([{ first: 0, count: 2 }]);
    self.grantAfresh([{ id: 7, first: 0, count: 2 }]);
    const digests = await Promise.all(
      [0, 1].map(async (block) => Buffer.from(await sha256(got.get(block)!)).toString("base64")),
    );
    expect(self.report()).toEqual([{ id: 7, done: 2, partBytes: 0, failed: false, digests }]);
    sealed.add(1);
    expect(self.fetching).toEqual([]);
    expect(ranges).toHaveLength(1);
  });

  it("goes on at the source, from the byte reached, where the supernode's copy is gone with it", async () => {
    ranges.length = 0;
    const half = BLOCK_BYTES + 4000;
    const { self, got, port, news } = await runner((request, response) => {
      if (request.url === "/blob") return source(request, response);
      response.writeHead(206, { "content-length": 2 * BLOCK_BYTES });
      return response.write(bytes.subarray(0, half), () =>
        setTimeout(() => response.destroy(), 50),
      );
    });
    const from = { kind: "seed", ip: "127.0.0.1", port, path: "/copy" } as const;
    self.grant([{ id: 1, first: 0, count: 2, from: { ...from, elseSource: true } }]);
    expect(self.fetching).toEqual([{ first: 0, count: 2 }]);
    await until(() => news() === 1);
    expect(self.report()).toMatchObject([{ id: 1, done: 2, failed: false }]);
    expect(ranges).toEqual([`bytes=${half}-${2 * BLOCK_BYTES - 1}`]);
    for (const block of [0, 1]) {
      const start = block * BLOCK_BYTES;
      expect(Buffer.from(got.get(block)!).equals(bytes.subarray(start, start + BLOCK_BYTES))).toBe(
        true,
      );
    }
    // Where nobody said so a copy's end is for the supernode to see to.
    self.grant([{ id: 2, first: 2, count: 2, from }]);
    await until(() => news() === 2);
    expect(self.report()).toMatchObject([{ id: 2, failed: true }]);
    expect(ranges).toHaveLength(1);
  });

  /** A runner that has got 1000 bytes of a supernode's copy. */
  async function atACopy() {
    ranges.length = 0;
    let copy: ServerResponse | undefined;
    const made = await runner((request, response) => {
      if (request.url === "/blob") return source(request, response);
      copy = response;
      response.writeHead(206, { "content-length": 2 * BLOCK_BYTES });
      return response.write(bytes.subarray(0, 1000));
    });
    const { self, port } = made;
    const from = { kind: "seed", ip: "127.0.0.1", port, path: "/copy", elseSource: true } as const;
    self.grant([{ id: 1, first: 0, count: 2, from }]);
    await until(() => (self.report()[0]?.partBytes ?? 0) > 0);
    return { ...made, copy: copy! };
  }

  it("leaves a frozen supernode's copy for the source when another grants it the lease", async () => {
    const { self, news } = await atACopy();
    self.grantAfresh([{ id: 9, first: 0, count: 2 }]);
    await until(() => news() === 1);
    expect(self.report()).toMatchObject([{ id: 9, done: 2, failed: false }]);
    expect(ranges).toEqual([`bytes=1000-${2 * BLOCK_BYTES - 1}`]);
  });

  it("reads what is still on its way from a supernode's copy when another grants it the lease", async () => {
    const { self, copy, news } = await atACopy();
    self.grantAfresh([{ id: 9, first: 0, count: 2 }]);
    copy.end(bytes.subarray(1000, 2 * BLOCK_BYTES));
    await until(() => news() === 1);
    expect(self.report()).toMatchObject([{ id: 9, done: 2, failed: false }]);
    expect(ranges).toEqual([]);
  });

  it("says that a source does not do what is needed, and asks for no more leases", async () => {
    const { self, reserved, news } = await runner((_request, response) =>
      response.writeHead(200).end(bytes),
    );
    self.grant([{ id: 1, first: 0, count: 2 }]);
    await until(() => news() === 1);
    expect(reserved.size).toBe(0);
    expect(self.report()).toMatchObject([{ id: 1, done: 0, failed: true }]);
    expect(self.wants).toBe(0);
  });
});

describe("what a node holds", () => {
  it("is told to a neighbour: first all, then what comes; who asks is met", async () => {
    const catalog = new Catalog(folder);
    const swarms = new SwarmSessions();
    const met: unknown[] = [];
    swarms.met = (name, neighbour) => void met.push([name, neighbour]);
    const server = await serve({
      fetch: peerServerApp({ catalog, limit: { totalLimit: 0 }, swarms }).fetch,
      hostname: "127.0.0.1",
      port: 0,
    });
    const file = await TaskFile.create(join(folder, "file-1.service"), {
      version: 1,
      key: "k",
      taskId: "t",
      cid: "c",
      supernode: "",
      name: "file-1",
      length: LENGTH,
      pieceSize: BLOCK_BYTES,
      framed: false,
      pieces: [],
      verified: false,
      touchedMs: 0,
    });
    onTestFinished(async () => {
      await server.close();
      await file.close();
    });
    const ownPath = new OwnPath("/peer/file/file-1", performance.now());
    catalog.add({
      name: "file-1",
      path: file.path,
      ownPath,
      key: "k",
      taskId: "t",
      cid: "c",
      supernode: "",
      file,
      users: 0,
      touchedMs: 0,
    });
    await file.writePiece(3, bytes.subarray(3 * BLOCK_BYTES, 4 * BLOCK_BYTES));

    const heard: HaveMessage[] = [];
    const self = { id: "me", ip: "127.0.0.1", port: 15001, path: "/peer/file/mine" };
    const listenTo = (path: string) =>
      new Promise<string>((resolve) => {
        const neighbour = { id: "it", ip: "127.0.0.1", port: server.port, path, near: true };
        const link = new NeighbourLink({
          http,
          neighbour,
          self,
          blocks: BLOCKS,
          parent: NO_SPAN,
          onMessage: (message) => heard.push(message),
          onEnd: resolve,
        });
        onTestFinished(() => link.close());
      });
    const ended = listenTo(ownPath.told(performance.now()));
    await until(() => heard.length > 0);
    expect([...heard[0]!.bitmap!]).toEqual([3]);
    for (const block of [0, 5]) {
      await file.writePiece(block, bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES));
    }
    await until(() => heard.flatMap(({ have }) => have).length === 2);
    expect(heard.flatMap(({ have }) => have).sort()).toEqual([0, 5]);
    expect(met).toEqual([["file-1", { ...self, near: true }]]);

    expect(await listenTo("/peer/file/file-1"), "without a pass").toBe("it answers 404");
    await file.close();
    expect(await ended).toBe("it has ended");
    expect(await listenTo("/peer/file/other-1")).toBe("it answers 404");
  });
});

describe("Uplink", () => {
  it("tells how long a request would wait, by what went out", () => {
    let nowMs = 0;
    const uplink = new Uplink(() => nowMs);
    expect(uplink.load(BLOCK_BYTES)).toEqual({ queueMs: 0, blockMs: 0 });
    const first = uplink.begin(BLOCK_BYTES);
    const second = uplink.begin(BLOCK_BYTES);
    nowMs = 50;
    first();
    first();
    expect(uplink.load(BLOCK_BYTES)).toEqual({ queueMs: 50, blockMs: 50 });
    nowMs = 100;
    second();
    expect(uplink.load(BLOCK_BYTES)).toEqual({ queueMs: 0, blockMs: 50 });
  });
});

describe("Heartbeats", () => {
  it("go out together to one supernode, and at once where there is news", async () => {
    const received: HeartbeatRequest[] = [];
    const port = await listen(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = JSON.parse(Buffer.concat(chunks).toString()) as HeartbeatRequest;
      received.push(body);
      const tasks = body.tasks.map(({ taskId }) => ({ taskId, known: true }));
      response.end(JSON.stringify({ heartbeatMs: 60_000, tasks }));
    });
    const supernode = new SupernodeClient({ host: "127.0.0.1", port, weight: 1 }, http);
    const heartbeats = new Heartbeats();
    const advised: string[] = [];
    const reporter = (taskId: string) => ({
      taskId,
      cid: "c",
      report: () => ({ taskId, cid: "c", held: 0, neighbours: 0 }) as TaskReport,
      advise: (advice: TaskAdvice) => void advised.push(advice.taskId),
      unheard: (error: Error) => void advised.push(error.message),
    });
    const [a, b] = [reporter("a"), reporter("b")];
    heartbeats.add(supernode, a, 10);
    heartbeats.add(supernode, b, 100);
    await until(() => advised.length === 2);
    expect(received.map(({ tasks }) => tasks.map(({ taskId }) => taskId))).toEqual([["a", "b"]]);
    heartbeats.hurry(b);
    await until(() => advised.length === 3);
    expect(received[1]!.tasks.map(({ taskId }) => taskId)).toEqual(["b"]);
    heartbeats.remove(a);
    heartbeats.remove(b);
  });

  it("take no word of a supernode that a reporter has left, that it answers late or is gone", async () => {
    const waiting: ServerResponse[] = [];
    const slow = await listen((request, response) => {
      request.resume().once("end", () => waiting.push(response));
    });
    const quick = await listen((request, response) => {
      request.resume();
      response.end(
        JSON.stringify({ heartbeatMs: 60_000, tasks: [{ taskId: "t", known: true, leases: [] }] }),
      );
    });
    const at = (port: number) => new SupernodeClient({ host: "127.0.0.1", port, weight: 1 }, http);
    const before = at(slow);
    const heartbeats = new Heartbeats();
    const heard: Record<"left" | "stayed", string[]> = { left: [], stayed: [] };
    const reporter = (name: "left" | "stayed") => ({
      taskId: "t",
      cid: name,
      report: () => ({ taskId: "t", cid: name, held: 0, neighbours: 0 }) as TaskReport,
      advise: (advice: TaskAdvice) =>
        void heard[name].push(`${advice.leases.map(({ first }) => first)}`),
      unheard: () => void heard[name].push("unheard"),
    });
    const [left, stayed] = [reporter("left"), reporter("stayed")];
    heartbeats.add(before, left, 0);
    heartbeats.add(before, stayed, 0);
    await until(() => waiting.length === 1);
    heartbeats.remove(left);
    heartbeats.add(at(quick), left, 0);
    await until(() => heard.left.length === 1);
    const leases = [{ id: 1, first: 7, count: 1 }];
    const tasks = ["left", "stayed"].map(() => ({ taskId: "t", known: true, leases }));
    waiting[0]!.end(JSON.stringify({ heartbeatMs: 1, tasks }));
    await until(() => waiting.length === 2);
    waiting[1]!.destroy();
    await until(() => heard.stayed.length >= 2);
    expect(heard).toEqual({ left: [""], stayed: ["7", "unheard"] });
    heartbeats.remove(left);
    heartbeats.remove(stayed);
  });

  it("tell of a supernode that does not answer", async () => {
    const supernode = new SupernodeClient({ host: "127.0.0.1", port: 1, weight: 1 }, http);
    const heartbeats = new Heartbeats();
    const error = await new Promise<Error>((resolve) => {
      heartbeats.add(
        supernode,
        {
          taskId: "t",
          cid: "c",
          report: () => ({ taskId: "t", cid: "c" }) as TaskReport,
          advise: () => {},
          unheard: resolve,
        },
        0,
      );
    });
    expect(error.name).toBe("SupernodeLostError");
  });
});
