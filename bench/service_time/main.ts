import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { cpus } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { runMain } from "../../runtime/command_line.ts";
import { freePort } from "../demo/loopback.ts";
import { programCommand } from "../demo/program.ts";
import { PlainClient } from "../plain_client.ts";
import { type BenchContext, runBench } from "../run_bench.ts";
import { registration, report } from "./requests.ts";

/** Requests in a round; the best round counts: all else that the machine does makes it slower only. */
const REQUESTS = 2000;
const ROUNDS = 8;
/** Requests before the first round: the runtime compiles what is hot. */
const WARM_UP = 4000;
/** Connections at once. */
const CONNECTIONS = 100;
/** Nodes that send heartbeats, each often enough not to be forgotten. */
const MEMBERS = 1000;
/** Where the simulator takes its service times from, below the working directory. */
const RESULT = join("bench", "sim", "service_time.json");

/**
 * Measures for how long the real supernode's one busy thread works on a registration and on a
 * heartbeat, and writes that beside the simulator. It is processor time that is measured. A registration
 * comes on a connection of its own, as it does when a node starts; heartbeats use one that is open.
 */
async function main(): Promise<number> {
  return runBench("service_time", async (context) => {
    const source = await startSource();
    context.atEnd(() => source.server.close());
    const { port, pid } = await startSupernode(context);
    const busyMs = () => threadMs(pid);

    const register = await measure("registration", busyMs, async (index) => {
      const client = new PlainClient(port);
      await client.ask("POST", "/peer/registry", registration(source.url, index));
      client.close();
    });
    const clients = Array.from({ length: CONNECTIONS }, () => new PlainClient(port));
    context.atEnd(() => {
      for (const client of clients) client.close();
    });
    const ask = (index: number, path: string, body: string) =>
      clients[index % CONNECTIONS]!.ask("POST", path, body);
    let taskId = "";
    await concurrently(MEMBERS, async (index) => {
      const answer = await ask(index, "/peer/registry", registration(source.url, index));
      taskId = (JSON.parse(answer) as { data: { taskId: string } }).data.taskId;
    });
    const heartbeat = await measure("heartbeat", busyMs, async (index) => {
      const answer = await ask(index, "/swarm/heartbeat", report(taskId, index % MEMBERS));
      if (!answer.includes('"known":true'))
        throw new Error("the supernode does not know those who report");
    });
    const measured = {
      register,
      heartbeat,
      requests: { register: "POST /peer/registry", heartbeat: "POST /swarm/heartbeat" },
      date: new Date().toISOString().slice(0, 10),
      machine: `${cpus()[0]!.model.trim()}, ${cpus().length} cores`,
      runtime: `Node ${process.versions.node}`,
    };
    await writeFile(RESULT, `${JSON.stringify(measured, undefined, 2)}\n`);
    say(`wrote ${RESULT}`);
    return 0;
  });
}

/** ms of one core that a request takes in the best round. */
async function measure(
  name: string,
  busyMs: () => Promise<number>,
  one: (index: number) => Promise<void>,
): Promise<number> {
  await concurrently(WARM_UP, one);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const beforeMs = await busyMs();
    await concurrently(REQUESTS, one, WARM_UP + round * REQUESTS);
    least = Math.min(least, ((await busyMs()) - beforeMs) / REQUESTS);
  }
  say(`${name}: ${(least * 1000).toFixed(0)} µs of one core`);
  return Number(least.toFixed(4));
}

/** Calls `one` for `count` numbers from `from` on, up to `CONNECTIONS` at once. */
async function concurrently(count: number, one: (index: number) => Promise<void>, from = 0) {
  const worker = async (first: number) => {
    for (let index = first; index < count; index += CONNECTIONS) await one(from + index);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, first) => worker(first)));
}

/** ms for which the main thread of a process has been on a processor (Linux). */
async function threadMs(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/task/${pid}/schedstat`, "utf8");
  return Number(text.split(" ")[0]) / 1e6;
}

/** A registry that has one large blob, and answers only what the supernode asks. */
async function startSource(): Promise<{ server: http.Server; url: string }> {
  const server = http.createServer((_request, response) => {
    response.writeHead(206, {
      "content-length": 1,
      "content-range": "bytes 0-0/1000000000",
      "accept-ranges": "bytes",
    });
    response.end("x");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}/v2/app/blobs/sha256:${"a".repeat(64)}` };
}

async function startSupernode(context: BenchContext): Promise<{ port: number; pid: number }> {
  const port = await freePort("127.0.0.1");
  const home = join(context.directory, "supernode");
  await mkdir(home, { recursive: true });
  const config = join(home, "supernode.yml");
  const base = {
    listenPort: port,
    downloadPort: port,
    advertiseIP: "127.0.0.1",
    homeDir: home,
    cdnPattern: "source",
  };
  await writeFile(config, stringify({ base }));
  const supernode = context.programs.start({
    label: "supernode",
    command: [...programCommand("supernode"), "--config", config],
    log: join(home, "out.log"),
  });
  await supernode.ready(async () => {
    const client = new PlainClient(port);
    const answer = await client.ask("GET", "/_ping").catch(() => "");
    client.close();
    return answer !== "";
  }, context.signal);
  return { port, pid: supernode.pid };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await runMain("service_time", main);
