import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serviceManager } from "./service_manager.ts";

/** Plays systemd's part: says every message that comes to a socket. Only Deno has such sockets. */
const RECORDER = `
const socket = Deno.listenDatagram({ transport: "unixpacket", path: Deno.args[0] });
console.log("listening");
for await (const [bytes] of socket) console.log(new TextDecoder().decode(bytes));
`;
const hasNotify = spawnSync("systemd-notify", ["--version"]).status === 0;
if (!hasNotify) console.warn("skipped: needs systemd-notify: apt-get install systemd");

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "service-manager-"));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
});

test.skipIf(!hasNotify)("systemd hears of the start, signs of life, and the end", async () => {
  const script = join(dir, "recorder.ts");
  const path = join(dir, "notify.sock");
  await writeFile(script, RECORDER);
  const recorder = spawn("node_modules/.bin/deno", ["run", "-A", "--unstable-net", script, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface(recorder.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const line = (await lines.next()).value as string;
    // systemd-notify asks to be told that all before this was taken.
    return line === "BARRIER=1" || line === "" ? next() : line;
  };
  try {
    expect(await next()).toBe("listening");
    const failures: string[] = [];
    const env = { PATH: process.env.PATH, NOTIFY_SOCKET: path, WATCHDOG_USEC: "300000" };
    const manager = serviceManager(env, (reason) => failures.push(reason));
    await manager.ready();
    expect(await next()).toBe("READY=1");
    expect(await next()).toBe("WATCHDOG=1");
    expect(await next()).toBe("WATCHDOG=1");
    await manager.stopping();
    let last = await next();
    while (last === "WATCHDOG=1") last = await next();
    expect(last).toBe("STOPPING=1");
    expect(failures).toEqual([]);
  } finally {
    recorder.kill();
  }
});

test("says once that it cannot speak to it", async () => {
  const failures: string[] = [];
  const env = { PATH: "/nonexistent", NOTIFY_SOCKET: join(dir, "nobody.sock") };
  const manager = serviceManager(env, (reason) => failures.push(reason));
  await manager.ready();
  await manager.stopping();
  expect(failures).toHaveLength(1);
  expect(failures[0]).toMatch(/^systemd-notify: .*ENOENT/);
});

test("without a service manager nothing is started", async () => {
  const failures: string[] = [];
  const manager = serviceManager({ PATH: "/nonexistent" }, (reason) => failures.push(reason));
  await manager.ready();
  await manager.stopping();
  expect(failures).toEqual([]);
});
