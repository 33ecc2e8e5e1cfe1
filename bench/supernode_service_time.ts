import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { build } from "esbuild";
import { PlainClient } from "./plain_client.ts";

/**
 * Measures for how long the real supernode's one busy thread works on a registration and on a
 * heartbeat, and writes that beside the simulator, which takes its service times from there. It is
 * processor time that is measured, so that other work on the machine does not count.
 *
 * A registration comes on a connection of its own, as it does when nodes start; heartbeats use one
 * that is open already.
 */
const REQUESTS = 6000;
const WARM_UP = 4000;
/** Connections open at once. */
const CONNECTIONS = 100;
const RESULT = join("bench", "sim", "service_time.json");

const directory = await mkdtemp(join(tmpdir(), "service-time-"));
const source = http.createServer((_request, response) => {
  response.writeHead(206, {
    "content-length": 1,
    "content-range": "bytes 0-0/1000000000",
    "accept-ranges": "bytes",
    etag: '"1"',
  });
  response.end("x");
});
await new Promise<void>((resolve) => source.listen(0, "127.0.0.1", resolve));
const blob = `http://127.0.0.1:${(source.address() as AddressInfo).port}/v2/app/blobs/sha256:${"a".repeat(64)}`;
let supernode: ChildProcess | undefined;
try {
  const port = await startSupernode();
  const thread = `/proc/${supernode!.pid}/task/${supernode!.pid}/schedstat`;
  /** ms for which the thread was on a processor so far. */
  const busyMs = async () => Number((await readFile(thread, "utf8")).split(" ")[0]) / 1e6;
  const measure = async (name: string, one: (index: number) => Promise<void>) => {
    await concurrently(WARM_UP, one, 0);
    const beforeMs = await busyMs();
    await concurrently(REQUESTS, one, WARM_UP);
    const ms = (await busyMs()) - beforeMs;
    console.log(`${name}: ${((ms / REQUESTS) * 1000).toFixed(0)} µs a request`);
    return Number((ms / REQUESTS).toFixed(4));
  };

  let taskId = "";
  const register = await measure("registration", async (index) => {
    const client = new PlainClient(port);
    const answer = await client.ask("POST", "/peer/registry", registration(index));
    client.close();
    taskId = (JSON.parse(answer) as { data: { taskId: string } }).data.taskId;
  });
  const clients = Array.from({ length: CONNECTIONS }, () => new PlainClient(port));
  const heartbeat = await measure("heartbeat", async (index) => {
    const query = `srcCid=c-${index}&dstCid=&range=&result=502&status=702&taskId=${taskId}`;
    await clients[index % CONNECTIONS]!.ask("GET", `/peer/task?${query}`);
  });
  for (const client of clients) client.close();
  const measured = {
    register,
    heartbeat,
    requests: { register: "POST /peer/registry", heartbeat: "GET /peer/task" },
    unit: "ms of one core",
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus()[0]!.model}, ${cpus().length} cores`,
    runtime: `Node ${process.versions.node}`,
  };
  await writeFile(RESULT, `${JSON.stringify(measured, undefined, 2)}\n`);
} finally {
  supernode?.kill();
  source.close();
  source.closeAllConnections();
  await rm(directory, { recursive: true, force: true });
}

function registration(index: number): string {
  return JSON.stringify({
    superNodeIp: "127.0.0.1",
    rawUrl: blob,
    taskUrl: blob,
    cid: `c-${index}`,
    ip: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
    hostName: `node-${index}`,
    port: 15001,
    path: `/peer/file/blob-${index}`,
    version: "1",
    headers: ["Authorization:Bearer abc"],
    dfdaemon: true,
    pattern: "p2p",
    swarm: { version: 1, zone: "", held: 0 },
  });
}

async function startSupernode(): Promise<number> {
  const program = join(directory, "supernode.mjs");
  await build({
    entryPoints: [join("supernode", "main.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
  });
  const port = 20_000 + (process.pid % 20_000);
  const config = join(directory, "supernode.yml");
  await writeFile(
    config,
    `base:\n  listenPort: ${port}\n  downloadPort: ${port}\n  advertiseIP: 127.0.0.1\n  cdnPattern: source\n  homeDir: ${directory}\n`,
  );
  supernode = spawn(process.execPath, [program, "--config", config], { stdio: "ignore" });
  for (let tries = 0; tries < 100; tries++) {
    const up = await new PlainClient(port).ask("GET", "/_ping").catch(() => "");
    if (up !== "") return port;
    await sleep(100);
  }
  throw new Error("the supernode does not start");
}

/** Calls `one` for `count` numbers from `from` on, up to `CONNECTIONS` at once. */
async function concurrently(count: number, one: (index: number) => Promise<void>, from: number) {
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, first) => {
      for (let index = first; index < count; index += CONNECTIONS) await one(from + index);
    }),
  );
}
