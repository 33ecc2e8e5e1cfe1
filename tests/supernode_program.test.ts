import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { unframe } from "../protocol/piece_frame.ts";
import { pieceSize } from "../protocol/piece_size.ts";
import { HttpClient } from "../runtime/http_client.ts";
import { freePort } from "./support/addresses.ts";
import { ourProgram } from "./support/our_programs.ts";
import { accepts, RunningProgram, run, type StartOptions, until } from "./support/process.ts";
import { Scratch } from "./support/scratch.ts";
import { Source } from "./support/source.ts";

const ROOT = resolve(import.meta.dirname, "..");
const MIB = 1024 * 1024;

let scratch: Scratch;
let command: string[];
let client: HttpClient;
let source: Source;

beforeAll(async () => {
  scratch = await Scratch.open("supernode");
  command = ourProgram("supernode");
  const program = command.at(-1)!;
  if (!existsSync(program)) {
    const outfile = join(scratch.dir, "supernode.mjs");
    await build({
      entryPoints: [join(ROOT, "supernode/main.ts")],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20.19",
      banner: {
        js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
      },
    });
    command = [process.execPath, outfile];
  }
  client = new HttpClient();
  source = await Source.start(scratch);
});
afterAll(async () => {
  client.close();
  await scratch.close();
});

function supernode(...args: string[]) {
  return run(scratch, [...command, ...args]);
}

interface Place {
  api: string;
  files: string;
}

interface Started extends Place {
  process: RunningProgram;
}

/** Starts a supernode on free ports and reads from its first line where it listens. */
async function start(args: string[], options: StartOptions = {}): Promise<Started> {
  const process = RunningProgram.start(scratch, [...command, ...args], options);
  const line = () =>
    /listens on [\d.]+:(\d+)(?:, files on [\d.]+:(\d+))?/.exec(`${process.stdout}`);
  await process.until("it says where it listens", () => line() !== null);
  const [, api, files = api] = line()!;
  return { process, api: `http://127.0.0.1:${api}`, files: `http://127.0.0.1:${files}` };
}

async function file(name: string, content: string): Promise<string> {
  const path = join(scratch.dir, name);
  await writeFile(path, content);
  return path;
}

async function get(url: string) {
  return client.text(url);
}

/** Registers a client for a file, as dfget does. */
async function register(
  api: string,
  url: string,
  headers: string[] = [],
  cid = "127.0.0.1-1-1.000",
): Promise<string> {
  const answer = await client.text(`${api}/peer/registry`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      rawUrl: url,
      taskUrl: url,
      cid,
      ip: "127.0.0.1",
      hostName: "test",
      port: 15001,
      path: "/peer/file/x-1-1.000",
      superNodeIp: "127.0.0.1",
      headers,
    }),
  });
  expect(answer.status, answer.text).toBe(200);
  return JSON.parse(answer.text).data.taskId;
}

/** Registers and waits until the supernode's own copy is complete. */
async function fetchCopy(api: string, url: string): Promise<string> {
  const taskId = await register(api, url);
  const query = `srcCid=127.0.0.1-1-1.000&status=700&result=502&taskId=${taskId}`;
  await get(`${api}/peer/task?${query}`);
  await until("the copy is complete", async () => {
    const { cdnStatus } = JSON.parse((await get(`${api}/api/v1/tasks/${taskId}`)).text);
    if (cdnStatus === "FAILED" || cdnStatus === "SOURCE_ERROR") throw new Error(cdnStatus);
    return cdnStatus === "SUCCESS";
  });
  return taskId;
}

/** Where a client is told that the supernode's own copy is. */
async function seedPath(api: string, url: string): Promise<string> {
  const cid = "127.0.0.1-2-2.000";
  const taskId = await register(api, url, [], cid);
  let path: string | undefined;
  await until("a piece is handed out", async () => {
    const query = `srcCid=${cid}&status=700&result=502&taskId=${taskId}`;
    const answer = JSON.parse((await get(`${api}/peer/task?${query}`)).text);
    path = answer.data?.[0]?.path;
    return path !== undefined;
  });
  return path!;
}

/** The first piece of the supernode's copy, without its frame. */
async function firstPiece({ api, files }: Place, url: string, size: number): Promise<Buffer> {
  const piece = pieceSize(size);
  const end = Math.min(size + 5, piece) - 1;
  const answer = await client.request(`${files}${await seedPath(api, url)}`, {
    headers: { range: `bytes=0-${end}` },
  });
  const chunks: Buffer[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  expect(answer.status).toBe(206);
  return Buffer.from(unframe(Buffer.concat(chunks), piece));
}

describe("asked about itself", () => {
  test("--help names every flag of v1's", async () => {
    const { code, stdout } = await supernode("--help");
    expect(code).toBe(0);
    for (const flag of [
      "--advertise-ip",
      "--cdn-pattern",
      "--config",
      "-D, --debug",
      "--down-limit",
      "--download-port",
      "--fail-access-interval",
      "--gc-initial-delay",
      "--gc-meta-interval",
      "-h, --help",
      "--home-dir",
      "--max-bandwidth",
      "--peer-gc-delay",
      "--pool-size",
      "--port",
      "--profiler",
      "--system-bandwidth",
      "--task-expire-time",
      "--up-limit",
    ]) {
      expect(stdout.toString()).toContain(`  ${flag}`);
    }
  });

  test("version", async () => {
    for (const args of [["version"], ["--version"]]) {
      const { code, stdout } = await supernode(...args);
      expect(code).toBe(0);
      expect(stdout.toString()).toMatch(/^supernode \d+\.\d+\.\d+ \((node|deno) /);
    }
  });

  test("gen-doc writes a Markdown page of all commands", async () => {
    const { code } = await supernode("gen-doc", "--path", scratch.dir);
    expect(code).toBe(0);
    const page = await readFile(join(scratch.dir, "supernode.md"), "utf8");
    expect(page).toContain("## supernode config");
    expect(page).toContain("--peer-gc-delay <duration>");
  });

  test("config shows what file, environment and flags give together", async () => {
    const config = await file("layers.yml", "base:\n  listenPort: 1\n  peerUpLimit: 1\n");
    const { code, stdout } = await run(
      scratch,
      [...command, "--config", config, "config", "--up-limit=3", "--max-bandwidth", "1G"],
      { env: { SUPERNODE_BASE_LISTENPORT: "2" } },
    );
    expect(code).toBe(0);
    expect(parse(stdout.toString())).toMatchObject({
      base: { listenPort: 2, peerUpLimit: 3, peerDownLimit: 4, maxBandwidth: "1GB" },
      plugins: {},
      storages: {},
    });
  });

  test.skipIf(existsSync("/etc/dragonfly/supernode.yml"))("config without a file", async () => {
    const { code, stdout } = await supernode("config");
    expect(code).toBe(0);
    expect(parse(stdout.toString()).base).toMatchObject({
      listenPort: 8002,
      downloadPort: 8001,
      downloadpath: "/home/admin/supernode/repo/download",
      IntervalThreshold: "2h0m0s",
    });
  });
});

describe("refuses, with one clear line and exit code 1", () => {
  test.each([
    [
      "an unknown key",
      "base:\n  listenPrt: 1",
      /bad\.yml:2: base\.listenPrt: unknown key; did you mean listenPort\?/,
    ],
    [
      "a wrong value",
      "base:\n  gcDiskInterval: often",
      /bad\.yml:2: base\.gcDiskInterval: expected a duration such as/,
    ],
    ["broken YAML", "base: [", /bad\.yml:1: not valid YAML/],
  ])("a configuration with %s", async (_name, content, message) => {
    const config = await file("bad.yml", content);
    const { code, stderr } = await supernode("--config", config);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(1);
  });

  test("a configuration that is not there, or no file", async () => {
    const none = join(scratch.dir, "none.yml");
    const absent = await supernode("--config", none);
    expect(absent.stderr).toBe(`supernode: ${none}: no such file\n`);
    expect(absent.code).toBe(1);
    const directory = await supernode("--config", scratch.dir);
    expect(directory.stderr).toBe(`supernode: ${scratch.dir}: is a directory, not a file\n`);
    expect(directory.code).toBe(1);
  });

  test.each([
    [["--prot", "1"], /unknown option '--prot'/],
    [
      ["--port", "x"],
      /option '--port <port>' argument 'x' is invalid. expected a port, 0 to 65535/,
    ],
    [["--cdn-pattern", "cdn"], /expected "local" or "source"/],
    [["--task-expire-time", "3"], /expected a duration such as 3m0s/],
    [["--debug=maybe"], /--debug: expected true or false/],
    [["nonsense"], /nonsense|too many arguments/],
  ])("%j", async (args, message) => {
    const { code, stderr } = await supernode(...args);
    expect(stderr).toMatch(message);
    expect(stderr).toContain("Try 'supernode --help'.");
    expect(code).toBe(1);
  });

  test("a port that another program has", async () => {
    const taken = createServer();
    await new Promise<void>((ready) => taken.listen(0, "0.0.0.0", ready));
    const port = String((taken.address() as AddressInfo).port);
    const home = await scratch.directory("taken");
    for (const ports of [
      ["--port", port, "--download-port", "0"],
      ["--port", "0", "--download-port", port],
    ]) {
      const { code, stderr } = await supernode(...ports, "--home-dir", home);
      expect(stderr).toContain(`cannot listen on 0.0.0.0:${port}: another program has this port`);
      expect(code).toBe(1);
    }
    taken.close();
  });

  test("a working directory that cannot be one", async () => {
    const home = join(await file("a-file", ""), "home");
    const { code, stderr } = await supernode("--port", "0", "--home-dir", home);
    expect(stderr).toContain(`working directory ${home}: not a directory`);
    expect(stderr).toContain("--home-dir");
    expect(code).toBe(1);
  });
});

describe("runs", () => {
  test("API and files on two ports, or on one", async () => {
    const home = await scratch.directory("ports");
    const [api, files] = [await freePort("127.0.0.1"), await freePort("127.0.0.1")];
    const two = await start([
      "--port",
      `${api}`,
      "--download-port",
      `${files}`,
      "--home-dir",
      home,
    ]);
    expect([two.api, two.files]).toEqual([`http://127.0.0.1:${api}`, `http://127.0.0.1:${files}`]);
    expect(await get(`${two.api}/_ping`)).toMatchObject({ status: 200, text: "OK" });
    expect((await get(`${two.files}/_ping`)).status).toBe(404);
    await two.process.stop();

    const one = await start(["--port", "0", "--download-port", "0", "--home-dir", home]);
    expect(one.files).toBe(one.api);
    const small = source.add("one-port", 1000);
    await fetchCopy(one.api, small.url);
    expect(await firstPiece(one, small.url, 1000)).toHaveLength(1000);
    await one.process.stop();
  });

  test("answers the routes of every group, and unknown ones as v1 does", async () => {
    const home = await scratch.directory("routes");
    const { api, process } = await start(["--port=0", "--download-port=0", "--home-dir", home]);
    for (const path of ["/_ping", "/v1.0/_ping", "/healthz", "/readyz"]) {
      expect(await get(api + path), path).toMatchObject({ status: 200, text: "OK" });
    }
    expect(await get(`${api}/preheats`)).toMatchObject({ status: 200, text: "[]" });
    expect(await get(`${api}/api/v1/preheats`)).toMatchObject({ status: 200, text: "[]" });
    expect((await get(`${api}/api/v1/peers`)).status).toBe(200);
    expect((await get(`${api}/version`)).text).toContain('"GoVersion"');
    for (const path of [
      "/api/v1/_ping",
      "/peers",
      "/tasks/x",
      "/nope",
      "/api/v1",
      "/debug/pprof/",
    ]) {
      expect(await get(api + path), path).toMatchObject({
        status: 404,
        text: "404 page not found\n",
      });
    }
    const put = await client.text(`${api}/_ping`, { method: "PUT" });
    expect(put).toMatchObject({ status: 405, text: "" });
    const metrics = (await get(`${api}/metrics`)).text;
    expect(metrics).toMatch(/^dragonfly_supernode_build_info\{.*os="linux".*\} 1$/m);
    expect(metrics).toContain(
      'dragonfly_supernode_http_requests_total{code="200",handler="/_ping"} 2',
    );
    await process.stop();
  });

  test("from Wikimedia's configuration", async () => {
    const config = join(ROOT, "tests/fixtures/wikimedia/supernode.yml");
    const home = await scratch.directory("wikimedia");
    const shown = await supernode("--config", config, "config");
    expect(parse(shown.stdout.toString()).base).toMatchObject({
      listenPort: 8002,
      downloadPort: 8002,
      cdnPattern: "source",
    });
    const port = `${await freePort("127.0.0.1")}`;
    const args = ["--config", config, "--home-dir", home, "--port", port, "--download-port", port];
    const { api, process } = await start(args);
    const data = source.add("wikimedia", 5 * MIB);
    const answer = await register(api, data.url);
    const task = JSON.parse((await get(`${api}/api/v1/tasks/${answer}`)).text);
    expect(task).toMatchObject({ httpFileLength: 5 * MIB, pieceTotal: 2 });
    expect(task).not.toHaveProperty("fileLength");
    await process.stop();
  });

  test("logs to <home>/logs/app.log and standard error, and keeps secrets out of both", async () => {
    const home = await scratch.directory("log");
    const config = await file("log.yml", "base:\n  downloadpath: /elsewhere\n  debug: true\n");
    const args = ["--config", config, "--port=0", "--download-port=0", "--home-dir", home];
    const { api, process } = await start(args);
    const secret = source.add("private", 1000, { authorization: "Bearer s3cret" });
    const taskId = await register(api, `${secret.url}`, ["Authorization: Bearer s3cret"]);
    const shown = await get(`${api}/api/v1/tasks/${taskId}`);
    expect(shown.status).toBe(200);
    const metrics = await get(`${api}/metrics`);
    await process.stop();
    const log = await readFile(join(home, "logs/app.log"), "utf8");
    expect(log).toContain("base.downloadpath has no effect");
    expect(process.stderr).toContain("base.downloadpath has no effect");
    for (const text of [log, process.output, shown.text, metrics.text]) {
      expect(text).not.toContain("s3cret");
    }
  });

  test("preheats a file into its cache", async () => {
    const home = await scratch.directory("preheat");
    const { api, files, process } = await start([
      "--port=0",
      "--download-port=0",
      "--home-dir",
      home,
    ]);
    const data = source.add("preheat", 1000);
    const created = await client.text(`${api}/preheats`, {
      method: "POST",
      body: JSON.stringify({ type: "file", url: data.url }),
    });
    expect(created.status).toBe(201);
    const { ID } = JSON.parse(created.text);
    await until("the preheat has ended", async () => {
      const { status, errorMsg } = JSON.parse((await get(`${api}/preheats/${ID}`)).text);
      if (status === "FAILED") throw new Error(errorMsg);
      return status === "SUCCESS";
    });
    expect(await register(api, data.url)).toBe(ID);
    expect(await firstPiece({ api, files }, data.url, 1000)).toHaveLength(1000);
    await process.stop();
  });
});

describe("ends", () => {
  /** A file that is still on its way to a client when the supernode is told to end. */
  async function underLoad(name: string) {
    const home = await scratch.directory(name);
    const started = await start(["--port=0", "--download-port=0", "--home-dir", home]);
    const slow = source.add(name, 64 * MIB, { bytesPerSecond: 4 * MIB });
    const taskId = await register(started.api, slow.url);
    await get(
      `${started.api}/peer/task?srcCid=127.0.0.1-1-1.000&status=700&result=502&taskId=${taskId}`,
    );
    await until("the source sends", () => slow.sent() > 0);
    return started;
  }

  test("on SIGTERM in time, with code 0, whatever goes on", async () => {
    const { process, api } = await underLoad("sigterm");
    // The promise is 5 s; killed after 8 it would have no code.
    expect(await process.stop("SIGTERM", 8000)).toEqual({ code: 0, signal: null });
    expect(await accepts("127.0.0.1", Number(new URL(api).port))).toBe(false);
  });

  test("on ctrl-C with code 130", async () => {
    const { process } = await underLoad("sigint");
    expect(await process.stop("SIGINT", 8000)).toEqual({ code: 130, signal: null });
  });
});

describe("started again", () => {
  const content = randomBytes(10_000_000);
  let etag = '"1"';
  let sent = 0;
  let url: string;

  beforeAll(async () => {
    const server = createHttpServer((request, response) => {
      response.writeHead(200, { etag, "content-length": content.length, "accept-ranges": "bytes" });
      if (request.method === "HEAD") return void response.end();
      sent += content.length;
      response.end(content);
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    scratch.defer(() => server.close());
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
  });

  test("finds its cache, unless the source has another version", async () => {
    const home = await scratch.directory("restart");
    const args = ["--port=0", "--download-port=0", "--home-dir", home];
    for (const [version, total, hits] of [
      ['"1"', content.length, 0],
      ['"1"', content.length, 1],
      ['"2"', 2 * content.length, 0],
    ] as const) {
      etag = version;
      const { api, files, process } = await start(args);
      await fetchCopy(api, url);
      const piece = await firstPiece({ api, files }, url, content.length);
      expect(piece.equals(content.subarray(0, 4 * MIB - 5))).toBe(true);
      expect(sent).toBe(total);
      const metrics = (await get(`${api}/metrics`)).text;
      expect(metrics).toMatch(new RegExp(`^dragonfly_supernode_cdn_cache_hit_total ${hits}$`, "m"));
      await process.stop();
    }
  });
});
