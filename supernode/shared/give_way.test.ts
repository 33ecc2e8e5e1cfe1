import { beforeEach, expect, it } from "vitest";
import { ReadAhead } from "../seed/read_ahead.ts";
import { CLIENT_ACTIVE_MS, type Client, SourceAccess, type Task } from "../tasks/task.ts";
import { TaskStore } from "../tasks/task_store.ts";
import { giveWay } from "./give_way.ts";

const OTHER = "10.64.0.2:8002";
const task = { id: "t", access: new SourceAccess({}), lastAccessMs: 0 } as Task;

let nowMs: number;
let store: TaskStore;
let readAhead: ReadAhead;
let letGo: string[];

beforeEach(() => {
  nowMs = 1_000_000;
  store = new TaskStore(() => nowMs);
  store.addTask(task);
  readAhead = new ReadAhead();
  letGo = [];
});

function give(): boolean {
  const swarms = { letGo: (id: string) => letGo.push(id) };
  giveWay({ store, swarms, readAhead, steadyNow: () => nowMs }, task, OTHER);
  return store.task("t") === undefined;
}

function join(state: Client["state"]): void {
  const client = { cid: "c", taskId: "t", peerId: "p", state, lastAccessMs: nowMs } as Client;
  store.addClient(client);
}

it("lets nodes go, and forgets a task that nobody is at", () => {
  join("SUCCESS");
  expect(give()).toBe(true);
  expect(letGo).toEqual(["t"]);
});

it.each(["WAITING", "RUNNING"] as const)("goes on for a client of v1 that is %s", (state) => {
  join(state);
  expect(give()).toBe(false);
  expect(letGo).toEqual(["t"]);
  nowMs += CLIENT_ACTIVE_MS;
  expect(give()).toBe(true);
});

it("goes on with a copy that is wanted for its own sake", () => {
  readAhead.free("t");
  expect(give()).toBe(false);
});
