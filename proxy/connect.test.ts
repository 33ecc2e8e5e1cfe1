import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { KeyPair } from "../runtime/certificates.ts";
import { parseAuthority } from "./connect.ts";
import {
  ask,
  authority,
  cleanUp,
  connectTo,
  defer,
  eagerConnection,
  hijackedConnection,
  leaf,
  pairFiles,
  secure,
  sendConnect,
  startServer,
  startTestProxy,
} from "./testing.ts";

afterEach(cleanUp);

test.each([
  ["registry.example:443", { host: "registry.example", port: 443 }],
  ["10.0.0.1:5000", { host: "10.0.0.1", port: 5000 }],
  ["[::1]:443", { host: "::1", port: 443 }],
  ["registry.example", undefined],
  ["h:0", undefined],
  ["h:65536", undefined],
  ["h:44x", undefined],
  ["http://h:443", undefined],
  ["::1:443", undefined],
])("the target of CONNECT: %s", (text, expected) => {
  expect(parseAuthority(text)).toEqual(expected);
});

/** A registry by TLS, and a proxy that hijacks it by `identity`. */
async function hijacking(identity: (ca: KeyPair) => Promise<KeyPair> | KeyPair, outer = false) {
  const registryCa = await authority("registry");
  const registry = await startServer(
    (request, response) => {
      response.setHeader("X-Host", request.headers.host ?? "");
      response.end(`${request.method} ${request.url}`);
    },
    await leaf(registryCa, "registry.example"),
  );
  const proxyCa = await authority("proxy");
  const certs = await pairFiles(registryCa);
  const own = await pairFiles(await identity(proxyCa));
  const door = await pairFiles(await leaf(proxyCa, "localhost"));
  const proxy = await startTestProxy({
    hijack_https: { ...own, hosts: [{ regx: "registry\\.example", certs: [certs.cert] }] },
    hostAliases: { "registry.example": "127.0.0.1" },
    ...(outer ? { certpem: door.cert, keypem: door.key } : {}),
  });
  return { registry, proxy, ca: proxyCa.cert, target: `registry.example:${registry.port}` };
}

describe("a hijacked connection", () => {
  // Sooner than by the limit on handshakes.
  test("is over when its client says no more in the handshake", { timeout: 20_000 }, async () => {
    const { proxy, target } = await hijacking((ca) => ca);
    const socket = await connectTo(proxy.port);
    await sendConnect(socket, target);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
    // The beginning of a ClientHello.
    socket.end(Buffer.from("1603010200010001fc0303", "hex"));
    await closed;
  });

  test.each([
    ["with a server certificate", (ca: KeyPair) => leaf(ca, "registry.example"), false],
    ["with one minted by an authority", (ca: KeyPair) => ca, false],
    ["inside TLS", (ca: KeyPair) => leaf(ca, "registry.example"), true],
    ["inside TLS, minted", (ca: KeyPair) => ca, true],
  ])("%s carries several requests", async (_, identity, outer) => {
    const { registry, proxy, ca, target } = await hijacking(identity, outer);
    const socket = await hijackedConnection(proxy.port, target, ca, outer ? ca : undefined);
    for (const path of ["/v2/", "/metrics", "/v2/a/tags/list?n=1"]) {
      const answer = await ask({ socket, path });
      expect(answer.status).toBe(200);
      expect(answer.body.toString()).toBe(`GET ${path}`);
      expect(answer.headers["x-host"]).toBe(target);
    }
    expect(registry.seen.map(({ url }) => url)).toEqual([
      "/v2/",
      "/metrics",
      "/v2/a/tags/list?n=1",
    ]);
  });

  test("begins with bytes that came along with CONNECT", async () => {
    const { proxy, ca, target } = await hijacking((own) => own);
    const eager = eagerConnection(await connectTo(proxy.port), target);
    const answer = await ask({ socket: await secure(eager, "registry.example", ca), path: "/x" });
    expect(answer.body.toString()).toBe("GET /x");
  });

  test("is not made to a source whose certificate does not fit", async () => {
    const { proxy, ca, registry } = await hijacking((own) => own);
    const socket = await hijackedConnection(
      proxy.port,
      `not.registry.example.localhost:${registry.port}`,
      ca,
    );
    const answer = await ask({ socket, path: "/" });
    expect(answer.status).toBe(502);
    expect(answer.body.toString()).toContain("not.registry.example.localhost");
    expect(registry.seen).toEqual([]);
  });
});

/** A TCP server that does `serve` with each connection. */
async function tcpServer(serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Reads to the end, and leaves the other direction open. */
function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return new Promise((resolve) => socket.once("end", () => resolve(text)));
}

describe("a blind tunnel", () => {
  test.each([
    ["in the clear", false],
    ["inside TLS", true],
  ])("%s carries another TLS untouched", async (_, outer) => {
    const ca = await authority();
    const server = await startServer(
      (_request, response) => response.end("hi"),
      await leaf(ca, "a.example"),
    );
    const door = await pairFiles(await leaf(ca, "localhost"));
    const proxy = await startTestProxy({
      hostAliases: { "a.example": "127.0.0.1" },
      ...(outer ? { certpem: door.cert, keypem: door.key } : {}),
    });
    const socket = await hijackedConnection(
      proxy.port,
      `a.example:${server.port}`,
      ca.cert,
      outer ? ca.cert : undefined,
    );
    expect((await ask({ socket, path: "/" })).body.toString()).toBe("hi");
    expect((await ask({ socket, path: "/" })).body.toString()).toBe("hi");
  });

  test("hands on what came along with CONNECT, and each end by itself", async () => {
    const port = await tcpServer(async (socket) => {
      const heard = await readAll(socket);
      socket.end(`heard ${heard}`);
    });
    const proxy = await startTestProxy({});
    const socket = await connectTo(proxy.port);
    expect(await sendConnect(socket, `127.0.0.1:${port}`, "early, ")).toMatch(/^HTTP\/1.1 200 /);
    socket.end("late");
    expect(await readAll(socket)).toBe("heard early, late");
  });

  test("to nobody is refused with the reason", async () => {
    const port = await tcpServer(() => {});
    await cleanUp();
    const proxy = await startTestProxy({});
    const socket = await connectTo(proxy.port);
    const head = await sendConnect(socket, `127.0.0.1:${port}`);
    expect(head).toMatch(/^HTTP\/1.1 502 Bad Gateway\r\n/);
    expect(head + (await readAll(socket))).toContain("ECONNREFUSED");
  });

  test("to no host at all is refused", async () => {
    const proxy = await startTestProxy({});
    expect(await sendConnect(await connectTo(proxy.port), "nowhere")).toMatch(/^HTTP\/1.1 400 /);
  });

  test.each([["client"], ["server"]])("ends on both sides when the %s breaks off", async (who) => {
    let upstream: Socket | undefined;
    const port = await tcpServer((socket) => {
      upstream = socket;
    });
    const proxy = await startTestProxy({});
    const socket = await connectTo(proxy.port);
    socket.on("error", () => {});
    await sendConnect(socket, `127.0.0.1:${port}`);
    const [one, other] = who === "client" ? [socket, upstream!] : [upstream!, socket];
    const ended = readAll(other);
    one.resetAndDestroy();
    expect(await ended).toBe("");
  });
});
