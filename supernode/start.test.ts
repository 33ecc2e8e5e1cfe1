import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { ConfigError } from "../runtime/config_error.ts";
import { HttpClient } from "../runtime/http_client.ts";
import { ListenError } from "../runtime/listen_error.ts";
import { closeLogging, configureLogging } from "../runtime/logger.ts";
import { startSupernode } from "./start.ts";

const LOCAL = { listenIp: "127.0.0.1", listenPort: 0, advertiseIp: "127.0.0.1" };
let dir: string;
let client: HttpClient;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "supernode-start-"));
  client = new HttpClient();
});
afterAll(async () => {
  client.close();
  await rm(dir, { recursive: true });
});

test("several in one process, each with its own ports, list of peers and metrics", async () => {
  const [a, b] = await Promise.all(
    ["a", "b"].map((name) =>
      startSupernode({ ...LOCAL, downloadPort: 0, homeDir: join(dir, name) }),
    ),
  );
  expect(a!.listenPort).not.toBe(b!.listenPort);
  expect(a!.downloadPort).toBe(a!.listenPort);
  const body = JSON.stringify({ IP: "127.0.0.8", hostName: "h8", port: 15002 });
  await client.text(`http://127.0.0.1:${a!.listenPort}/api/v1/peers`, { method: "POST", body });
  for (const [supernode, peers] of [
    [a!, 1],
    [b!, 0],
  ] as const) {
    const origin = `http://127.0.0.1:${supernode.listenPort}`;
    expect(JSON.parse((await client.text(`${origin}/api/v1/peers`)).text)).toHaveLength(peers);
    const { text } = await client.text(`${origin}/metrics`);
    expect(text.includes('dragonfly_supernode_peers{peer="h8-127.0.0.8"} 1')).toBe(peers === 1);
  }
  await Promise.all([a!.close(), b!.close()]);
  await expect(client.text(`http://127.0.0.1:${a!.listenPort}/_ping`)).rejects.toThrow();
});

test("a taken download port leaves the API port free again", async () => {
  const taken = createServer();
  await new Promise<void>((ready) => taken.listen(0, "127.0.0.1", ready));
  const downloadPort = (taken.address() as { port: number }).port;
  const free = createServer();
  await new Promise<void>((ready) => free.listen(0, "127.0.0.1", ready));
  const listenPort = (free.address() as { port: number }).port;
  await new Promise((closed) => free.close(closed));
  const options = { ...LOCAL, listenPort, homeDir: join(dir, "taken") };
  await expect(startSupernode({ ...options, downloadPort })).rejects.toThrow(ListenError);
  const supernode = await startSupernode({ ...options, downloadPort: 0 });
  expect(supernode.listenPort).toBe(listenPort);
  expect(supernode.downloadPort).not.toBe(listenPort);
  await supernode.close();
  await new Promise((closed) => taken.close(closed));
});

test("a working directory that is a file is refused", async () => {
  const homeDir = join(dir, "file");
  await writeFile(homeDir, "");
  await expect(startSupernode({ ...LOCAL, homeDir })).rejects.toThrow(ConfigError);
  await expect(startSupernode({ ...LOCAL, homeDir })).rejects.toThrow(
    `working directory ${homeDir}: not a directory`,
  );
});

test("that no copies can be written is in the log before anybody asks", async () => {
  const homeDir = join(dir, "no-copies");
  await mkdir(homeDir);
  await writeFile(join(homeDir, "repo"), "a file, where copies should lie");
  const path = join(homeDir, "app.log");
  await configureLogging({ files: { supernode: path } });
  onTestFinished(closeLogging);
  const supernode = await startSupernode({ ...LOCAL, downloadPort: 0, homeDir });
  onTestFinished(() => supernode.close());
  await vi.waitFor(async () => {
    const reason = `no copies: nothing can be written in ${join(homeDir, "repo")}`;
    expect(await readFile(path, "utf8")).toContain(reason);
  });
});
