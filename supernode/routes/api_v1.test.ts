import http from "node:http";
import { beforeEach, expect, test } from "vitest";
import { serve } from "../../runtime/serve.ts";
import type { PieceErrorReport } from "../tasks/client_desk.ts";
import { type Client, SourceAccess, type Task } from "../tasks/task.ts";
import { TaskStore } from "../tasks/task_store.ts";
import { apiV1Routes } from "./api_v1.ts";

const NOW = Date.parse("2026-11-24T09:41:04.680Z");
const notFound = (id: string) => ({
  code: 404,
  message: `failed to get key ${id} from map: {"Code":0,"Msg":"data not found"}`,
});

let store: TaskStore;
let reports: PieceErrorReport[];
let app: ReturnType<typeof apiV1Routes>;
let nowMs: number;

beforeEach(() => {
  nowMs = NOW;
  store = new TaskStore(
    () => nowMs,
    () => nowMs,
  );
  reports = [];
  app = apiV1Routes({ store, pieceError: (report) => void reports.push(report) });
});

async function ask(method: string, path: string, body?: unknown) {
  const init = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const answer = await app.request(path, init);
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? "" : (JSON.parse(text) as unknown) };
}

function task(more: Partial<Task> = {}): Task {
  return {
    id: "t1",
    rawUrl: "http://joe:pw@127.0.0.1:18080/p4m1?token=hidden",
    taskUrl: "http://127.0.0.1:18080/p4m1",
    isVouchedFor: true,
    isPublic: true,
    md5: "",
    identifier: "",
    cdnSource: "supernode",
    pieceSize: 4194304,
    access: new SourceAccess({ Authorization: "Bearer hidden" }),
    length: 4194305,
    validators: { etag: "", lastModified: "" },
    cdnStatus: "SUCCESS",
    pieceSums: [],
    realMd5: "6127ef7c3247fefc35ddcb2c300965c3",
    createdMs: NOW,
    lastAccessMs: NOW,
    ...more,
  };
}

test("a peer is registered, listed, shown and forgotten", async () => {
  const body = { IP: "127.0.0.8", hostName: "h8", port: 15002, version: "9" };
  const created = await ask("POST", "/peers", body);
  expect(created.status).toBe(201);
  const { ID } = created.body as { ID: string };
  expect(ID).toMatch(/^h8-127\.0\.0\.8-\d{19}$/);
  const shown = { ...body, ID, created: "2026-11-24T09:41:04.680Z" };
  expect(await ask("GET", `/peers/${ID}`)).toEqual({ status: 200, body: shown });
  expect(await ask("GET", "/peers")).toEqual({ status: 200, body: [shown] });
  expect(await ask("DELETE", `/peers/${ID}`)).toEqual({ status: 200, body: "" });
  expect(await ask("GET", "/peers")).toEqual({ status: 200, body: [] });
});

test("peers are listed by age, a page at a time", async () => {
  for (const port of [15001, 15002, 15003]) {
    store.addPeer({ ip: "127.0.0.1", hostName: "h", port, version: "" });
    nowMs += 1;
  }
  const ports = async (query: string) =>
    ((await ask("GET", `/peers${query}`)).body as { port: number }[]).map((peer) => peer.port);
  expect(await ports("")).toEqual([15001, 15002, 15003]);
  expect(await ports("?pageNum=0&pageSize=2")).toEqual([15001, 15002]);
  expect(await ports("?pageNum=1&pageSize=2")).toEqual([15003]);
  expect((await ask("GET", "/peers?pageNum=x")).status).toBe(400);
});

test("a peer with a wrong address is refused", async () => {
  const { status, body } = await ask("POST", "/peers", { IP: "x", port: 80 });
  expect(status).toBe(400);
  expect((body as { message: string }).message).toMatch(/^validation failure list:\nIP in body/);
});

test("unknown peers and tasks are answered in v1's words", async () => {
  expect(await ask("GET", "/peers/nope")).toEqual({ status: 404, body: notFound("nope") });
  expect(await ask("DELETE", "/peers/nope")).toEqual({ status: 404, body: notFound("nope") });
  expect(await ask("GET", "/tasks/nope")).toEqual({ status: 404, body: notFound("nope") });
  expect(await ask("DELETE", "/tasks/nope")).toEqual({ status: 200, body: "" });
});

test("a task is shown as v1 shows it, but for every secret", async () => {
  store.addTask(task());
  const { body } = await ask("GET", "/tasks/t1");
  expect(body).toEqual({
    ID: "t1",
    cdnStatus: "SUCCESS",
    fileLength: 4194315,
    httpFileLength: 4194305,
    pieceSize: 4194304,
    pieceTotal: 2,
    rawURL: "http://127.0.0.1:18080/p4m1?token=…",
    realMd5: "6127ef7c3247fefc35ddcb2c300965c3",
    taskURL: "http://127.0.0.1:18080/p4m1",
  });
});

test("a task of pattern source has no framed length", async () => {
  store.addTask(task({ cdnSource: "source", realMd5: "", rawUrl: "http://127.0.0.1:18080/p4m1" }));
  expect((await ask("GET", "/tasks/t1")).body).toEqual({
    ID: "t1",
    cdnStatus: "SUCCESS",
    httpFileLength: 4194305,
    pieceSize: 4194304,
    pieceTotal: 2,
    rawURL: "http://127.0.0.1:18080/p4m1",
    taskURL: "http://127.0.0.1:18080/p4m1",
  });
});

test("a task is forgotten", async () => {
  store.addTask(task());
  expect(await ask("DELETE", "/tasks/t1")).toEqual({ status: 200, body: "" });
  expect(store.task("t1")).toBeUndefined();
});

test("a piece error names the culprit by its peer, in the query or in a body", async () => {
  store.addTask(task());
  const peer = store.addPeer({ ip: "127.0.0.3", hostName: "h", port: 15001, version: "" });
  store.addClient({ taskId: "t1", cid: "c1", peerId: peer.id } as Client);
  const server = await serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
  const send = (query: string, body = "") =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = http.request({
        port: server.port,
        path: `/tasks/t1/pieces/0-4194303/error${query}`,
        headers: { "content-length": Buffer.byteLength(body) },
      });
      request.on("error", reject);
      request.on("response", (answer) =>
        answer.resume().on("end", () => resolve(answer.statusCode)),
      );
      request.end(body);
    });
  const details = { srcCid: "c2", errorType: "FILE_MD5_NOT_MATCH" };
  expect(await send("", JSON.stringify({ dstPid: peer.id, dstIP: "127.0.0.3", ...details }))).toBe(
    200,
  );
  expect(await send(`?dstPid=${peer.id}&srcCid=c2&errorType=FILE_NOT_EXIST`)).toBe(200);
  expect(await send("")).toBe(400);
  await server.close();
  const report = { taskId: "t1", range: "0-4194303", dstCid: "c1" };
  expect(reports).toEqual([report, report]);
});
