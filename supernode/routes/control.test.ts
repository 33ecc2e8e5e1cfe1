import { Readable } from "node:stream";
import { beforeEach, expect, it } from "vitest";
import type { StatusView } from "../../protocol/control/messages.ts";
import { SupernodeViews } from "../control/views.ts";
import { TaskStore } from "../tasks/task_store.ts";
import { controlRoutes } from "./control.ts";

let done: string[];

beforeEach(() => {
  done = [];
});

/** Asks as somebody at an address would. */
async function askFrom(address: string, method: string, path: string, adminClients: string[] = []) {
  const store = new TaskStore(Date.now);
  const app = controlRoutes({
    views: new SupernodeViews({
      store,
      schedules: new Map(),
      swarms: { look: () => undefined },
      now: Date.now,
      steadyNow: Date.now,
    }),
    status: async () => ({ draining: true }) as StatusView,
    preheat: () => undefined,
    isBusy: () => false,
    remove: async (id) => {
      done.push(`remove ${id}`);
      return { task: true, bytes: 1 };
    },
    drain: (on) => void done.push(`drain ${on}`),
    reach: async (from, port) => {
      done.push(`reach ${from} ${port}`);
      return { reachable: true, address: from, reason: "" };
    },
    adminClients,
  });
  const socket = { remoteAddress: address, localAddress: "192.0.2.10" };
  const body =
    path === "/control/drain"
      ? { draining: true }
      : method === "POST"
        ? { port: 15001 }
        : undefined;
  const init = {
    method,
    headers: { "content-type": "application/json", "x-forwarded-for": "127.0.0.1" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  };
  return app.request(path, init, { incoming: Object.assign(bodyOf(body), { socket }) } as never);
}

/** A body is read from the connection itself. */
function bodyOf(body: object | undefined): Readable {
  return Readable.from(body ? [Buffer.from(JSON.stringify(body))] : []);
}

const ID = "a".repeat(64);
const CHANGES = [
  ["POST", "/control/drain"],
  ["DELETE", `/control/tasks/${ID}`],
] as const;

it.each(CHANGES)("%s %s is for this host and adminClients only", async (method, path) => {
  for (const address of ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7", ""]) {
    const refused = await askFrom(address, method, path, ["10.0.0.0/8"]);
    expect(refused.status, address).toBe(403);
    expect(await refused.text()).toContain("adminClients");
  }
  expect(done).toEqual([]);
  for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.10", "10.9.8.7"])
    expect((await askFrom(address, method, path, ["10.0.0.0/8"])).status, address).toBe(200);
  expect(done).toHaveLength(5);
});

it("everybody may look, and ask about himself", async () => {
  for (const path of ["/control/status", "/control/tasks", "/control/peers"])
    expect((await askFrom("192.0.2.7", "GET", path)).status).toBe(200);
  expect((await askFrom("192.0.2.7", "POST", "/control/reachable")).status).toBe(200);
  // Not the address that a header names.
  expect(done).toEqual(["reach 192.0.2.7 15001"]);
});
