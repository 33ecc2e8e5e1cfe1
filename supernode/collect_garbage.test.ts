import { describe, expect, test } from "vitest";
import {
  type CachedCopy,
  copiesToDrop,
  expiredTasks,
  GarbageCollector,
  offlinePeers,
} from "./collect_garbage.ts";
import { withDefaults } from "./settings.ts";
import { SourceAccess, type Task } from "./tasks/task.ts";
import { TaskStore } from "./tasks/task_store.ts";

const HOUR = 3_600_000;
const NOW = 100 * HOUR;

test("a task expires when nobody has asked for so long and nothing is being fetched", () => {
  const tasks = [
    { id: "fresh", cdnStatus: "SUCCESS" as const, lastAccessMs: NOW - 10 },
    { id: "old", cdnStatus: "SUCCESS" as const, lastAccessMs: NOW - 11 },
    { id: "failed", cdnStatus: "FAILED" as const, lastAccessMs: NOW - 11 },
    { id: "busy", cdnStatus: "RUNNING" as const, lastAccessMs: NOW - 11 },
  ];
  expect(expiredTasks(tasks, NOW, 10)).toEqual(["old", "failed"]);
});

test("a peer goes when it serves nothing and has been silent for so long", () => {
  const peers = [
    { id: "silent", lastAccessMs: NOW - 11 },
    { id: "silent but serving", lastAccessMs: NOW - 11 },
    { id: "just offline", lastAccessMs: NOW - 10 },
  ];
  expect(offlinePeers(peers, new Set(["silent but serving"]), NOW, 10)).toEqual(["silent"]);
});

describe("which copies to drop", () => {
  const thresholds = {
    youngGcThreshold: 100,
    fullGcThreshold: 10,
    intervalThresholdMs: 2 * HOUR,
    cleanRatio: 10,
  };
  const copy = (taskId: string, idleHours: number, inUse = false): CachedCopy => ({
    taskId,
    bytes: 20,
    lastAccessMs: NOW - idleHours * HOUR,
    inUse,
  });
  const copies = [
    copy("3h", 3),
    copy("used", 9, true),
    copy("5h", 5),
    copy("2h", 2),
    copy("4h", 4),
    copy("now", 0),
  ];

  test.each([
    ["enough is free", 100, 10, []],
    ["a little is missing: the one idle longest", 99, 10, ["5h"]],
    ["more is missing: as many as it takes, oldest first", 70, 10, ["5h", "4h"]],
    ["much is missing: all that are idle", 10, 10, ["5h", "4h", "3h"]],
    ["the disk is all but full: all that are not in use", 9, 10, ["5h", "4h", "3h", "2h", "now"]],
    ["a ratio of one tenth drops at least one", 10, 1, ["5h"]],
    ["a ratio of half drops half, rounded up", 10, 5, ["5h", "4h"]],
    [
      "the ratio does not hold back when the disk is all but full",
      0,
      1,
      ["5h", "4h", "3h", "2h", "now"],
    ],
  ])("%s", (_name, freeBytes, cleanRatio, wanted) => {
    expect(copiesToDrop(copies, freeBytes, NOW, { ...thresholds, cleanRatio })).toEqual(wanted);
  });
});

describe("the collector", () => {
  function setUp(freeBytes: number) {
    let nowMs = NOW;
    let setByMs = 0;
    const store = new TaskStore(() => nowMs);
    const dropped: string[] = [];
    const counted: string[] = [];
    const copies = ["known", "unknown"].map((taskId) => ({ taskId, bytes: 1, lastAccessMs: 0 }));
    const collector = new GarbageCollector({
      config: withDefaults({ gcInitialDelayMs: 1, gcMetaIntervalMs: 1, gcDiskIntervalMs: 1 }),
      store,
      cache: {
        list: async () => copies.filter((copy) => !dropped.includes(copy.taskId)),
        drop: async (taskId) => void dropped.push(taskId),
        freeBytes: async () => freeBytes,
      },
      observer: {
        tasksCollected: (count) => void (count > 0 && counted.push(`${count} tasks`)),
        peersCollected: (count) => void (count > 0 && counted.push(`${count} peers`)),
        disksCollected: () => void counted.push("disk"),
      },
      now: () => nowMs + setByMs,
      steadyNow: () => nowMs,
    });
    store.addTask(task("known", NOW));
    const peer = store.addPeer({ ip: "127.0.0.1", hostName: "h", port: 15001, version: "" });
    return {
      ...{ store, peer, collector, dropped, counted },
      later: (ms: number) => (nowMs += ms),
      setClock: (byMs: number) => (setByMs = byMs),
    };
  }

  test("forgets a task after 3 minutes, and then the peer that served it", () => {
    const { store, peer, collector, counted, later } = setUp(0);
    store.addClient({
      cid: "c",
      taskId: "known",
      peerId: peer.id,
      ip: peer.ip,
      port: peer.port,
      path: "",
      pattern: "p2p",
      callSystem: "",
      dfdaemon: false,
      superNodeIp: "",
      rawUrl: "",
      state: "RUNNING",
      lastAccessMs: NOW,
    });
    later(180_000);
    collector.collectMeta();
    expect(counted).toEqual([]);
    later(1);
    collector.collectMeta();
    expect(counted).toEqual(["1 tasks", "1 peers"]);
    expect(store.task("known")).toBeUndefined();
    expect(store.peer(peer.id)).toBeUndefined();
  });

  test("goes by no clock that somebody sets: forward, it would forget tasks that nodes are at, and back, none", () => {
    const { store, collector, later, setClock } = setUp(0);
    later(170_000);
    setClock(HOUR);
    collector.collectMeta();
    expect(store.task("known")).toBeDefined();
    later(10_001);
    setClock(-HOUR);
    collector.collectMeta();
    expect(store.task("known")).toBeUndefined();
  });

  test("runs by itself, drops what no task needs, and stops", async () => {
    const { collector, dropped, counted } = setUp(0);
    collector.start();
    while (counted.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    collector.stop();
    expect(dropped).toEqual(["unknown"]);
    expect(counted).toEqual(["disk"]);
  });

  test("leaves a disk with room alone", async () => {
    const { collector, dropped, counted } = setUp(1e15);
    await collector.collectDisk();
    expect(dropped).toEqual([]);
    expect(counted).toEqual([]);
  });
});

function task(id: string, lastAccessMs: number): Task {
  return {
    id,
    rawUrl: "",
    taskUrl: "",
    isVouchedFor: true,
    isPublic: true,
    md5: "",
    identifier: "",
    cdnSource: "supernode",
    pieceSize: 1,
    access: new SourceAccess({}),
    length: 0,
    validators: { etag: "", lastModified: "" },
    cdnStatus: "SUCCESS",
    pieceSums: [],
    realMd5: "",
    createdMs: 0,
    lastAccessMs,
  };
}
