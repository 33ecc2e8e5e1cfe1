import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { type OwnRequest, PlainHttp } from "./plain_http.ts";

async function listen(server: Server): Promise<{ place: { host: string; port: number } }> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { place: { host: "127.0.0.1", port: (server.address() as AddressInfo).port } };
}

const listenHttp = (answer: RequestListener) => listen(createServer(answer));

function client(): PlainHttp {
  const http = new PlainHttp();
  onTestFinished(() => http.close());
  return http;
}

/** A request that gathers its answer. */
function gathering(more: Partial<OwnRequest> = {}) {
  const got = { status: 0, body: Buffer.alloc(0) };
  const chunks: Buffer[] = [];
  const request: OwnRequest = {
    path: "/",
    connectTimeoutMs: 2000,
    idleTimeoutMs: 2000,
    onHead: ({ status }) => {
      got.status = status;
    },
    onBody: (chunk) => {
      chunks.push(Buffer.from(chunk));
      got.body = Buffer.concat(chunks);
      return undefined;
    },
    ...more,
  };
  return { request, got };
}

describe("PlainHttp", () => {
  it("hands on what comes, and says what it wants", async () => {
    const { place } = await listenHttp(({ url, headers }, response) => {
      response.end(JSON.stringify({ url, host: headers.host, range: headers.range }));
    });
    const { request, got } = gathering({
      path: "/a b?c=ä\r\nx: y",
      headers: { range: "bytes=0-1" },
    });
    await client().get(place, request);
    expect(got.status).toBe(200);
    expect(JSON.parse(String(got.body))).toEqual({
      url: "/a%20b?c=%C3%A4x:%20y",
      host: `127.0.0.1:${place.port}`,
      range: "bytes=0-1",
    });
  });

  it("brings many large answers at once, each to its own reader, by connections that are kept", async () => {
    const files = Array.from({ length: 8 }, () => randomBytes(3_000_000));
    const server = createServer(({ url }, response) => response.end(files[Number(url!.slice(1))]));
    const { place } = await listen(server);
    let connections = 0;
    server.on("connection", () => {
      connections += 1;
    });
    const http = client();
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        files.map(async (file, number) => {
          const hash = createHash("sha256");
          await http.get(
            place,
            gathering({ path: `/${number}`, onBody: (chunk) => void hash.update(chunk) }).request,
          );
          expect(hash.digest("hex")).toBe(createHash("sha256").update(file).digest("hex"));
        }),
      );
    }
    expect(connections).toBe(8);
  });

  it("reads to where the reader wants it, one answer after the other, and nothing beyond", async () => {
    const bodies = [3_000_000, 10, 0, 2_000_000].map((bytes) => randomBytes(bytes));
    const { place } = await listenHttp(({ url }, response) => {
      response.end(bodies[Number(url!.slice(1))]);
    });
    const http = client();
    let spared = 0;
    for (const [index, body] of bodies.entries()) {
      // A guard behind it would show what is read too far.
      const target = Buffer.alloc(body.byteLength + 100_000, 7);
      let filled = 0;
      const { request } = gathering({
        path: `/${index}`,
        target: () => target.subarray(filled, filled + 300_000),
        onBody: (chunk) => {
          if (chunk.buffer === target.buffer && chunk.byteOffset === target.byteOffset + filled)
            spared += chunk.byteLength;
          else target.set(chunk, filled);
          filled += chunk.byteLength;
          return undefined;
        },
      });
      await http.get(place, request);
      expect(filled).toBe(body.byteLength);
      expect(target.subarray(0, filled).equals(body)).toBe(true);
      expect(target.subarray(filled).every((byte) => byte === 7)).toBe(true);
    }
    expect(spared, "only what comes with the heads is copied").toBeGreaterThan(4_500_000);
  });

  it("asks again where the server had closed the kept connection", async () => {
    const server = createServer((_request, response) => response.end("ok"));
    server.keepAliveTimeout = 20;
    const { place } = await listen(server);
    const closed = new Promise<void>((resolve) => {
      server.once("connection", (socket: Socket) => {
        // Nobody tells the client: what it sends next meets a closed door.
        socket.once("data", () => setTimeout(() => resolve(void socket.resetAndDestroy()), 10));
      });
    });
    const http = client();
    const first = gathering();
    await http.get(place, first.request);
    await closed;
    const second = gathering();
    await http.get(place, second.request);
    expect(String(second.got.body)).toBe("ok");
  });

  it("connects elsewhere where it is told to, and says whom it means all the same", async () => {
    const { place } = await listenHttp(({ headers }, response) => response.end(headers.host));
    const http = new PlainHttp({ "node.test": place.host });
    onTestFinished(() => http.close());
    const { request, got } = gathering();
    await http.get({ host: "node.test", port: place.port }, request);
    expect(String(got.body)).toBe(`node.test:${place.port}`);
  });

  it("says that nobody is there", async () => {
    const server = createTcpServer();
    const { place } = await listen(server);
    server.close();
    await expect(client().get(place, gathering().request)).rejects.toThrow(/ECONNREFUSED/);
  });

  it("gives up where nothing comes", async () => {
    const { place } = await listen(createTcpServer());
    const { request } = gathering({ idleTimeoutMs: 50 });
    await expect(client().get(place, request)).rejects.toThrow(/nothing received for 50 ms/);
  });

  it("gives up where nothing more comes", async () => {
    const { place } = await listenHttp((_request, response) => void response.write("a"));
    const { request, got } = gathering({ idleTimeoutMs: 50 });
    await expect(client().get(place, request)).rejects.toThrow(/nothing received for 50 ms/);
    expect(String(got.body)).toBe("a");
  });

  it("does not take a pause that the reader asked for as silence", async () => {
    const { place } = await listenHttp((_request, response) =>
      response.end(Buffer.alloc(1_000_000)),
    );
    let pauses = 0;
    const { request, got } = gathering({ idleTimeoutMs: 50 });
    const gather = request.onBody;
    request.onBody = (chunk) => {
      void gather(chunk);
      pauses += 1;
      return pauses <= 3 ? sleep(120) : undefined;
    };
    await client().get(place, request);
    expect(pauses).toBeGreaterThan(3);
    expect(got.body.byteLength).toBe(1_000_000);
  });

  it("does not take its own being busy for silence, not even when the connection came in that time", async () => {
    const { place } = await listenHttp((_request, response) => response.end("hello"));
    const { request, got } = gathering({ connectTimeoutMs: 20 });
    const answered = client().get(place, request);
    await new Promise(process.nextTick);
    const untilMs = performance.now() + 60;
    while (performance.now() < untilMs) Math.sqrt(untilMs);
    await answered;
    expect(String(got.body)).toBe("hello");
  });

  it("says that an answer broke off", async () => {
    const { place } = await listenHttp((_request, response) => {
      response.writeHead(200, { "content-length": 10 });
      response.write("12345");
      setTimeout(() => response.destroy(), 20);
    });
    await expect(client().get(place, gathering().request)).rejects.toThrow(/ends within|reset/i);
  });

  it("ends with the reader's error", async () => {
    const { place } = await listenHttp((_request, response) => response.end("hello"));
    const { request } = gathering({
      onHead: () => {
        throw new RangeError("not what I want");
      },
    });
    await expect(client().get(place, request)).rejects.toThrow("not what I want");
  });

  it("ends with the signal, before and while it is at it", async () => {
    const server = createServer((_request, response) => void response.write("a"));
    const { place } = await listen(server);
    let connections = 0;
    server.on("connection", () => void connections++);
    const before = gathering({ signal: AbortSignal.abort(new Error("no more")) });
    await expect(client().get(place, before.request)).rejects.toThrow("no more");
    const abort = new AbortController();
    const { request } = gathering({
      signal: abort.signal,
      onBody: () => void abort.abort(new Error("enough")),
    });
    await expect(client().get(place, request)).rejects.toThrow("enough");
    // For one who is gone before none is opened, which nobody would close.
    expect(connections).toBe(1);
  });
});
