import { beforeEach, expect, it } from "vitest";
import { type Client, SourceAccess, type Task } from "./task.ts";
import { TaskStore } from "./task_store.ts";

let nowMs = 1_795_513_264_680;
let store: TaskStore;
let removed: string[];

beforeEach(() => {
  store = new TaskStore(
    () => nowMs,
    () => nowMs,
  );
  removed = [];
  store.onRemoval({
    taskRemoved: ({ id }) => removed.push(`task ${id}`),
    clientRemoved: ({ cid }) => removed.push(`client ${cid}`),
    peerRemoved: ({ id }) => removed.push(`peer ${id}`),
  });
});

const task = (id: string) =>
  ({ id, access: new SourceAccess({ Authorization: "secret" }), lastAccessMs: 0 }) as Task;
const client = (taskId: string, cid: string, peerId = "p") =>
  ({ taskId, cid, peerId, lastAccessMs: 0 }) as Client;
const node = { ip: "10.0.0.1", hostName: "vm", port: 15001, version: "1" };

it("names peers as v1 does, each name once", () => {
  const peers = [15001, 15002, 15003].map((port) => store.addPeer({ ...node, port }));
  expect(peers.map(({ id }) => id)).toEqual([
    "vm-10.0.0.1-1795513264680000000",
    "vm-10.0.0.1-1795513264680000001",
    "vm-10.0.0.1-1795513264680000002",
  ]);
  expect(store.peer(peers[1]!.id)).toBe(peers[1]);
});

it("knows a peer that comes back, unless it is another program now", () => {
  const first = store.addPeer(node);
  nowMs += 5;
  expect(store.addPeer(node)).toBe(first);
  expect(first.lastAccessMs).toBe(nowMs);
  const upgraded = store.addPeer({ ...node, version: "2" });
  expect([...store.peers()]).toEqual([upgraded]);
  expect(store.removePeer(upgraded.id)).toBe(true);
  expect(store.removePeer(upgraded.id)).toBe(false);
  expect(store.addPeer({ ...node, version: "2" })).not.toBe(upgraded);
});

it("forgets a task's clients with the task, and says so", () => {
  store.addTask(task("t"));
  store.addTask(task("u"));
  for (const cid of ["a", "b"]) store.addClient(client("t", cid));
  store.addClient(client("u", "a", "q"));
  expect([...store.clientsOfPeer("p")]).toHaveLength(2);
  expect(store.removeTask("t")).toBe(true);
  expect(removed).toEqual(["client a", "client b", "task t"]);
  expect(store.removeTask("t")).toBe(false);
  expect([...store.clients()].map(({ taskId }) => taskId)).toEqual(["u"]);
  expect(store.removeClient("u", "nobody")).toBe(false);
  expect([...store.tasks()].map(({ id }) => id)).toEqual(["u"]);
});

it("notes what is in use", () => {
  store.addTask(task("t"));
  const peer = store.addPeer(node);
  const visitor = client("t", "a", peer.id);
  store.addClient(visitor);
  nowMs += 1000;
  store.touch(visitor);
  expect([visitor, peer, store.task("t")!].map((one) => one.lastAccessMs)).toEqual([
    nowMs,
    nowMs,
    nowMs,
  ]);
});

it("keeps the way into a source out of JSON", () => {
  expect(JSON.stringify(task("t"))).not.toContain("secret");
});
