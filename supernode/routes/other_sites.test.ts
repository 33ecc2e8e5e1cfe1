import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningSupernode, startSupernode } from "../start.ts";

let supernode: RunningSupernode;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "dragonfly-sites-"));
  const ports = { listenIp: "127.0.0.1", listenPort: 0, downloadPort: 0 };
  supernode = await startSupernode({ ...ports, homeDir: home, advertiseIp: "127.0.0.1" });
});
afterAll(async () => {
  await supernode?.close(0);
  await rm(home, { recursive: true, force: true });
});

/** `fetch` sets Host and Origin itself. Resolves with the status. */
function ask(method: string, path: string, headers: Record<string, string>, body = "") {
  return new Promise<number>((resolve, reject) => {
    const { listenPort: port } = supernode;
    const options = { host: "127.0.0.1", port, path, method, headers };
    request(options, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    })
      .on("error", reject)
      .end(body);
  });
}

const json = { "content-type": "application/json" };
const preheat = JSON.stringify({ type: "file", url: "http://127.0.0.1:9/file" });
/** What changes something, and what a program gets that sends it. */
const CHANGES = [
  ["POST", "/preheats", preheat, 201],
  ["POST", "/api/v1/preheats", preheat, 201],
  ["DELETE", `/api/v1/tasks/${"a".repeat(64)}`, "", 200],
  ["POST", "/control/drain", '{"draining":false}', 200],
  ["DELETE", `/control/tasks/${"a".repeat(64)}`, "", 404],
] as const;

test.each(CHANGES)("%s %s is not for pages of other sites", async (method, path, body, status) => {
  const by = (headers: Record<string, string>) => ask(method, path, { ...json, ...headers }, body);
  const here = `127.0.0.1:${supernode.listenPort}`;
  expect(await by({ origin: "https://elsewhere.example" })).toBe(403);
  expect(await by({ origin: "null" })).toBe(403);
  // Its own name leads here: for the browser that is the same site.
  const rebound = "attacker.example:8002";
  expect(await by({ host: rebound, origin: `http://${rebound}` })).toBe(403);
  expect(await by({ host: here, origin: `http://${here}` })).toBe(status);
  // Programs come by any name, and say nothing of where they come from.
  expect(await by({ host: "supernode.example:8002" })).toBe(status);
});
