import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open, readdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { HttpClient, type HttpClientOptions, readBody } from "./http_client.ts";
import { HttpError } from "./http_error.ts";
import type { HttpHead } from "./plain_http/http_reader.ts";
import { ForbiddenError } from "./request_guard.ts";

const servers: { close(): unknown }[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

async function listen(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  host = "127.0.0.1",
): Promise<{ url: string; port: number; server: Server }> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://${host}:${port}`, port, server };
}

function clientOf(options: HttpClientOptions): HttpClient {
  const client = new HttpClient(options);
  servers.push(client);
  return client;
}

const client = clientOf({ connectTimeoutMs: 2000, idleTimeoutMs: 2000 });
const impatient = clientOf({ idleTimeoutMs: 50 });

interface Question {
  method?: "GET" | "HEAD";
  headers?: Record<string, string>;
  maxRedirects?: number;
  /** Milliseconds that the reader of the body takes before it reads on, once. */
  pauseMs?: number;
}

/** Asks, and reads the whole answer. */
type Ask = (
  client: HttpClient,
  url: string,
  question?: Question,
) => Promise<{ status: number; url: string; text: string }>;

const byRequest: Ask = async (client, url, { pauseMs = 0, ...init } = {}) => {
  const response = await client.request(url, init);
  if (pauseMs > 0) {
    response.body.pause();
    await sleep(pauseMs);
  }
  const body = Buffer.from(await readBody(response, 64 * 1024 * 1024));
  return { status: response.status, url: response.url, text: body.toString() };
};

const byReader: Ask = async (client, url, { method, pauseMs = 0, ...question } = {}) => {
  if (method === "HEAD") return { ...(await client.reader.head(url, question)), text: "" };
  const into = Buffer.alloc(64 * 1024 * 1024);
  let head: HttpHead | undefined;
  let filled = 0;
  await client.reader.read(url, question, {
    onHead: (came) => {
      head = came;
    },
    target: () => into.subarray(filled, filled + 100_000),
    onBody: (chunk) => {
      // It lies there already where it came after the head.
      if (chunk.buffer !== into.buffer) into.set(chunk, filled);
      const pause = filled === 0 && pauseMs > 0 ? sleep(pauseMs) : undefined;
      filled += chunk.byteLength;
      return pause;
    },
  });
  return { ...head!, text: into.toString("utf8", 0, filled) };
};

const bothWays = [
  ["by request", byRequest],
  ["by reader", byReader],
] as const;

describe.each(bothWays)("HttpClient, %s,", (_name, ask) => {
  it("follows redirects, and keeps credentials off another origin", async () => {
    const seen: Record<string, unknown>[] = [];
    const store = await listen((request, response) => {
      seen.push({
        store: request.headers.authorization,
        cookie: request.headers.cookie,
        token: request.headers["private-token"] ?? request.headers["x-jfrog-art-api-key"],
        accept: request.headers.accept,
        host: request.headers.host,
      });
      response.end("bytes");
    }, "127.0.0.2");
    const registry = await listen((request, response) => {
      seen.push({ registry: request.headers.authorization });
      const location = request.url === "/blob" ? "/moved" : `${store.url}/signed`;
      response.writeHead(307, { location }).end();
    });
    const answer = await ask(client, `${registry.url}/blob`, {
      headers: {
        Authorization: "Basic secret",
        Cookie: "c=1",
        "Private-Token": "secret",
        "X-JFrog-Art-Api-Key": "secret",
        Accept: "a/b",
        Host: "registry.test",
      },
      maxRedirects: 5,
    });
    expect(answer.text).toBe("bytes");
    expect(answer.url).toBe(`${store.url}/signed`);
    expect(seen).toEqual([
      { registry: "Basic secret" },
      { registry: "Basic secret" },
      {
        store: undefined,
        cookie: undefined,
        token: undefined,
        accept: "a/b",
        host: new URL(store.url).host,
      },
    ]);
  });

  it("hands redirects over where it is not told to follow them, and never follows too many", async () => {
    const { url } = await listen((_request, response) =>
      response.writeHead(302, { location: "/" }).end(),
    );
    for (const maxRedirects of [0, 3]) {
      expect(await ask(client, url, { maxRedirects })).toMatchObject({ status: 302 });
    }
  });

  it("uses an alias for a host name, and still asks for that host", async () => {
    const { port } = await listen((request, response) => response.end(request.headers.host));
    const aliased = clientOf({ hostAliases: { "registry.invalid": "127.0.0.1" } });
    const { text } = await ask(aliased, `http://registry.invalid:${port}/`);
    expect(text).toBe(`registry.invalid:${port}`);
  });

  describe("a connection that is reset before an answer", () => {
    /** A server that resets so many connections when a request comes, and answers on those that follow. */
    async function resetting(resets: number) {
      let taken = 0;
      const server = createTcpServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => {
          taken += 1;
          if (taken <= resets) socket.resetAndDestroy();
          else socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        });
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      return { url: `http://127.0.0.1:${port}/`, taken: () => taken };
    }

    it.each(["GET", "HEAD"] as const)("is tried once more, for %s", async (method) => {
      const { url, taken } = await resetting(1);
      expect(await ask(client, url, { method })).toMatchObject({ status: 200 });
      expect(taken()).toBe(2);
    });

    it("is tried once, and no more", async () => {
      const { url, taken } = await resetting(9);
      await expect(ask(client, url)).rejects.toThrow(/ECONNRESET|hang up/);
      expect(taken()).toBe(2);
    });

    it.each([{ method: "POST", body: "x" }, { method: "DELETE" }])(
      "is not tried again for what must not be done twice: %o",
      async (init) => {
        const { url, taken } = await resetting(1);
        await expect(client.request(url, init)).rejects.toThrow(/ECONNRESET|hang up/);
        expect(taken()).toBe(1);
      },
    );
  });

  it("says in words what went wrong, without the URL's secrets", async () => {
    const closed = await listen(() => {});
    await new Promise((resolve) => closed.server.close(resolve));
    const refused = ask(client, `${closed.url}/x?token=secret`);
    await expect(refused).rejects.toThrow(HttpError);
    await expect(refused).rejects.not.toThrow(/secret/);

    const silent = createTcpServer(() => {});
    servers.push(silent);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    await expect(ask(impatient, `http://127.0.0.1:${port}/`)).rejects.toThrow(
      /nothing received for 50 ms/,
    );
  });

  it("does not take its own process's being busy for silence of the other side", async () => {
    // In a thread of its own: it must go on while this one is busy.
    const server = new Worker(
      `const { parentPort } = require("node:worker_threads");
       const server = require("node:http").createServer((_request, response) => {
         response.write("a");
         setTimeout(() => response.end("b"), 500);
       });
       server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));`,
      { eval: true },
    );
    onTestFinished(async () => void (await server.terminate()));
    const [port] = (await once(server, "message")) as [number];
    const response = await client.request(`http://127.0.0.1:${port}/`, { idleTimeoutMs: 1500 });
    const busyUntil = performance.now() + 2000;
    while (performance.now() < busyUntil);
    expect(new TextDecoder().decode(await readBody(response, 10))).toBe("ab");
  });

  it("notices silence in the middle of an answer, however that is read", async () => {
    const { url } = await listen((_request, response) => void response.write("a"));
    await expect(ask(impatient, url)).rejects.toThrow(/nothing received for 50 ms/);
  });

  it("does not take a reader's pause for silence of the other side", async () => {
    const bytes = 32 * 1024 * 1024;
    const { url } = await listen((_request, response) => response.end(Buffer.alloc(bytes)));
    const waiting = clientOf({ idleTimeoutMs: 1000 });
    expect((await ask(waiting, url, { pauseMs: 1500 })).text).toHaveLength(bytes);
  });

  it("reads no more than it may, and notices a body that breaks off", async () => {
    const { url } = await listen((request, response) => {
      if (request.url === "/long") return response.end("x".repeat(1000));
      response.writeHead(200, { "content-length": "1000" }).write("x");
      return setTimeout(() => response.destroy(), 10);
    });
    await expect(client.text(`${url}/long`, {}, 100)).rejects.toThrow(/longer than 100 bytes/);
    await expect(client.text(`${url}/short`)).rejects.toThrow(HttpError);
  });
});

describe.each(bothWays)("a process that has no descriptor left, %s,", (_name, ask) => {
  /** Sets how many this process may open. */
  const allow = (most: number) =>
    execFileSync("prlimit", ["--pid", String(process.pid), `--nofile=${most}:`]);

  it("waits for one, as long as for a connection", async () => {
    const { url } = await listen((_request, response) => response.end("bytes"));
    const usual = Number(
      /^Max open files +(\d+)/m.exec(await readFile("/proc/self/limits", "utf8"))![1],
    );
    const held: FileHandle[] = [];
    allow((await readdir("/proc/self/fd")).length + 40);
    try {
      const full = async () => {
        for (;;) held.push(await open("/dev/null"));
      };
      // What earlier tests have left open is closed meanwhile, and leaves room again.
      let refused: Error | undefined;
      while (!refused) {
        await expect(full()).rejects.toMatchObject({ code: "EMFILE" });
        refused = await ask(clientOf({ connectTimeoutMs: 1 }), url).then(
          () => undefined,
          (error: Error) => error,
        );
      }
      expect(refused.message).toMatch(/EMFILE|no connection/);
      const answer = ask(clientOf({ connectTimeoutMs: 30_000 }), url);
      await sleep(200);
      for (const file of held.splice(0)) await file.close();
      expect(await answer).toMatchObject({ status: 200, text: "bytes" });
    } finally {
      for (const file of held) await file.close();
      allow(usual);
    }
  });
});

describe.each(bothWays)("a guard, %s,", (_name, ask) => {
  const guard = {
    refuseUrl: (url: URL) => (url.pathname === "/no" ? "not this one" : undefined),
    refuseAddress: (address: string) =>
      address === "127.0.0.1" || address === "::1" ? `${address} is shut` : undefined,
  };

  async function guarded(host: string, hostAliases = {}) {
    let asked = 0;
    const { port } = await listen((_request, response) => {
      asked += 1;
      response.writeHead(302, { location: `http://${host}/no` }).end();
    }, "0.0.0.0");
    const client = clientOf({ guard, hostAliases });
    const outcome = await ask(client, `http://${host}:${port}/`, { maxRedirects: 1 }).catch(
      (error: Error) => error,
    );
    return { outcome, asked };
  }

  it.each([
    ["an address", "127.0.0.1", {}],
    ["an address that is spelled otherwise", "0x7f000001", {}],
    ["a name that resolves to it", "localhost", {}],
    ["an address that a name is given", "source.example", { "source.example": "127.0.0.1" }],
  ])("keeps from %s before anything is sent", async (_what, host, hostAliases) => {
    const { outcome, asked } = await guarded(host, hostAliases);
    expect(outcome).toBeInstanceOf(ForbiddenError);
    expect((outcome as Error).message).toMatch(/: (127\.0\.0\.1|::1) is shut$/);
    expect(asked).toBe(0);
  });

  it("looks at redirects as well", async () => {
    const { outcome, asked } = await guarded("127.0.0.2");
    expect((outcome as Error).message).toBe("http://127.0.0.2/no: not this one");
    expect(asked).toBe(1);
  });
});

it("asks a server for many heads by connections that are used again", async () => {
  const { url, server } = await listen((_, response) =>
    response.setHeader("content-length", 7).end(),
  );
  let connections = 0;
  server.on("connection", () => void connections++);
  const heads = await Promise.all(Array.from({ length: 300 }, () => client.reader.head(url, {})));
  expect(heads.every(({ status, length }) => status === 200 && length === 7)).toBe(true);
  expect(connections).toBeLessThan(150);
});

it.each([
  ["once more where the server has too much to do", [503], 200, 2],
  ["no third time", [503, 429, 503], 429, 2],
  ["not again where the answer is no", [404], 404, 1],
])("asks for a head %s", async (_what, answers, status, times) => {
  let asked = 0;
  const { url } = await listen((_, response) => {
    response.writeHead(answers[asked] ?? 200).end();
    asked += 1;
  });
  expect((await client.reader.head(url, {})).status).toBe(status);
  expect(asked).toBe(times);
});
