import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Hono } from "hono";
import { afterEach, describe, expect, it } from "vitest";
import { ListenError } from "./listen_error.ts";
import { type RunningServer, SERVE_LIMITS, type ServeOptions, serve } from "./serve.ts";

const running: RunningServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

async function start(
  app: Hono,
  port = 0,
  limits: Partial<ServeOptions> = {},
): Promise<RunningServer> {
  const server = await serve({ fetch: app.fetch as never, hostname: "127.0.0.1", port, ...limits });
  running.push(server);
  return server;
}

/** Sends bytes as they are and gives back all that comes until the other side ends. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
  });
}

/** What collects the garbage at once. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

describe("serve", () => {
  it("serves an app, and bytes without copying them into a stream", async () => {
    const app = new Hono().get("/bytes", () => new Response(Buffer.alloc(1_000_000, 7)));
    const { port } = await start(app);
    const body = new Uint8Array(
      await (await fetch(`http://127.0.0.1:${port}/bytes`)).arrayBuffer(),
    );
    expect(body.byteLength).toBe(1_000_000);
    expect(body.every((byte) => byte === 7)).toBe(true);
  });

  it("says in words that a port is taken, or an address not ours", async () => {
    const { port } = await start(new Hono());
    await expect(start(new Hono(), port)).rejects.toThrow(ListenError);
    await expect(start(new Hono(), port)).rejects.toThrow(/another program has this port/);
    await expect(
      serve({ fetch: () => new Response(), hostname: "192.0.2.1", port: 0 }),
    ).rejects.toThrow(/no such address/);
  });

  it("answers a malformed request with 400, headers without end with 431", async () => {
    const { port } = await start(new Hono());
    expect(await raw(port, "nonsense\r\n\r\n")).toMatch(/^HTTP\/1\.1 400/);
    expect(await raw(port, `GET / HTTP/1.1\r\nX: ${"x".repeat(70_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431/,
    );
  });

  it("holds nothing of a request that is answered for as long as its connection is open", async () => {
    let request: WeakRef<object> | undefined;
    const app = new Hono().get("/", (c) => {
      request = new WeakRef((c.env as { incoming: object }).incoming);
      return c.text("done");
    });
    const { port } = await start(app);
    const socket = connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const collect = collector();
    const isHeld = () => {
      collect();
      return request?.deref() !== undefined;
    };
    await once(socket, "data");
    expect(request).toBeDefined();
    await expect.poll(isHeld, { timeout: 10_000 }).toBe(false);
    expect(socket.readyState).toBe("open");
    socket.destroy();
  });

  it("lets a request end before it closes, but not longer than its grace", async () => {
    let answer!: () => void;
    const waiting = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const app = new Hono()
      .get("/slow", async (c) => {
        await waiting;
        return c.text("done");
      })
      .get("/never", () => new Promise<Response>(() => {}));
    const first = await start(app);
    const slow = fetch(`http://127.0.0.1:${first.port}/slow`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closing = first.close(5000);
    answer();
    expect(await (await slow).text()).toBe("done");
    await closing;

    const second = await start(app);
    const never = fetch(`http://127.0.0.1:${second.port}/never`);
    never.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 50));
    await second.close(10);
    await expect(never).rejects.toThrow();
  });
});

describe("what one client may ask of a server", () => {
  const app = new Hono().all("*", async (c) => c.text(String((await c.req.text()).length)));
  const close = "Host: x\r\nConnection: close\r\n";
  const status = (answer: string) => answer.split(" ")[1];

  it("ends at the longest URL", async () => {
    const { port } = await start(app, 0, { maxUrlBytes: 100 });
    const path = `/${"a".repeat(99)}`;
    expect(status(await raw(port, `GET ${path} HTTP/1.1\r\n${close}\r\n`))).toBe("200");
    expect(status(await raw(port, `GET ${path}a HTTP/1.1\r\n${close}\r\n`))).toBe("414");
  });

  it("ends at the largest headers", async () => {
    const { port } = await start(app);
    const header = `X: ${"a".repeat(64 * 1024)}\r\n`;
    expect(status(await raw(port, `GET / HTTP/1.1\r\n${close}${header}\r\n`))).toBe("431");
  });

  it("ends at the largest body", async () => {
    const { port } = await start(app, 0, { maxBodyBytes: 10 });
    const post = (length: number) =>
      raw(
        port,
        `POST / HTTP/1.1\r\n${close}Content-Length: ${length}\r\n\r\n${"a".repeat(length)}`,
      );
    expect(status(await post(10))).toBe("200");
    expect(status(await post(11))).toBe("413");
  });

  it("ends at so many connections, and begins again when one is closed", async () => {
    const { port } = await start(app, 0, { maxConnectionsPerClient: 2 });
    const open = () =>
      new Promise<{ socket: Socket; ok: boolean }>((resolve) => {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => {});
        socket.once("data", () => resolve({ socket, ok: true }));
        socket.once("close", () => resolve({ socket, ok: false }));
        socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      });
    const [one, two] = [await open(), await open()];
    expect([one.ok, two.ok, (await open()).ok]).toEqual([true, true, false]);
    one.socket.destroy();
    let again = await open();
    for (let tries = 0; !again.ok && tries < 100; tries++) again = await open();
    expect(again.ok).toBe(true);
    for (const { socket } of [two, again]) socket.destroy();
  });

  it("is let go with the connection, also what waits behind another answer", async () => {
    const seen: string[] = [];
    let told!: () => void;
    const allClosed = new Promise<void>((resolve) => {
      told = resolve;
    });
    const { port } = await start(new Hono(), 0, {
      onRequest: ({ url = "" }, outgoing) => {
        outgoing.once("close", () => {
          seen.push(url);
          if (seen.length === 3) told();
        });
        if (url === "/3") socket.destroy();
        return true;
      },
    });
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(["/1", "/2", "/3"].map(get).join("")),
    );
    await allClosed;
    expect(seen.sort()).toEqual(["/1", "/2", "/3"]);
  });

  it("is no tunnel before earlier requests are answered", async () => {
    const asked: string[] = [];
    const never = new Hono().get("*", () => new Promise<Response>(() => {}));
    const { port } = await start(never, 0, {
      onConnect: ({ url = "" }, socket) => {
        asked.push(url);
        socket.end();
      },
    });
    const connectTo = (host: string) => `CONNECT ${host}:1 HTTP/1.1\r\nHost: x\r\n\r\n`;
    await raw(port, connectTo("first"));
    const answer = raw(port, `GET / HTTP/1.1\r\nHost: x\r\n\r\n${connectTo("second")}`);
    expect(await answer.catch(() => "")).toBe("");
    expect(asked).toEqual(["first:1"]);
  });

  it("ends with more requests than a client may have waiting", async () => {
    const app = new Hono().get("/", async (c) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return c.text("x");
    });
    const { port } = await start(app);
    const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const last = `GET / HTTP/1.1\r\n${close}\r\n`;
    const answers = await raw(port, get.repeat(SERVE_LIMITS.maxUnanswered - 1) + last);
    expect(answers.match(/HTTP\/1\.1 200/g)).toHaveLength(SERVE_LIMITS.maxUnanswered);
    const tooMany = raw(port, get.repeat(SERVE_LIMITS.maxUnanswered) + last);
    expect(await tooMany.catch(() => "")).toBe("");
  });

  it("ends when nothing comes for too long", async () => {
    const { port } = await start(app, 0, { idleTimeoutMs: 50 });
    expect(await raw(port, "")).toBe("");
    expect(await raw(port, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12")).toBe("");
  });

  it("ends when a request comes too slowly, whatever the client goes on to send", {
    timeout: 30_000,
  }, async () => {
    const { port } = await start(app, 0, { headersTimeoutMs: 100 });
    const slow = slowly(port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(10_000)}`);
    expect(status(await slow)).toBe("408");
  });

  it("ends with what was refused, whether the client closes or not", {
    timeout: 30_000,
  }, async () => {
    const { port } = await start(app);
    const answer = await slowly(port, "CONNECT h:1 HTTP/1.1\r\nHost: x\r\n\r\n and then", true);
    expect(status(answer)).toBe("405");
  });

  it("counts a connection that was adopted by the one that it came by", async () => {
    let server!: RunningServer;
    const { port } = await start(app, 0, {
      maxConnectionsPerClient: 1,
      onConnect: (_request, socket) => {
        socket.write("yes");
        server.adopt(socket);
      },
    });
    server = running.at(-1)!;
    const connects = "CONNECT h:1 HTTP/1.1\r\nHost: x\r\n\r\n";
    const socket = connect(port, "127.0.0.1", () => socket.write(connects));
    await new Promise((resolve) => socket.once("data", resolve));
    socket.write(`GET / HTTP/1.1\r\n${close}\r\n`);
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    expect(status(answer)).toBe("200");
  });
});

/**
 * Sends a byte every few milliseconds and never closes, and gives back what had come when the server has cut
 * the connection.
 */
function slowly(port: number, text: string, headAtOnce = false): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    let sent = headAtOnce ? text.indexOf("\r\n\r\n") + 4 : 0;
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.write(text.slice(0, sent));
    const timer = setInterval(() => socket.write(text[sent++ % text.length]!), 10);
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("error", () => {});
    socket.once("close", () => {
      clearInterval(timer);
      resolve(answer);
    });
  });
}
