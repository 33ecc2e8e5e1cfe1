import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import {
  ask,
  authority,
  cleanUp,
  connectTo,
  hijackedConnection,
  leaf,
  pairFiles,
  randomBlob,
  startServer,
  startTestProxy,
} from "./testing.ts";

afterEach(cleanUp);

/** The three ways by which a request reaches a registry through a proxy. */
async function ways(handle: Parameters<typeof startServer>[0]) {
  const ca = await authority();
  const plain = await startServer(handle);
  const secured = await startServer(handle, await leaf(ca, "registry.example"));
  const files = await pairFiles(ca);
  const proxy = await startTestProxy({
    registry_mirror: { remote: `http://127.0.0.1:${plain.port}` },
    hijack_https: { ...files, hosts: [{ regx: "registry.example", certs: [files.cert] }] },
    hostAliases: { "registry.example": "127.0.0.1" },
  });
  const target = `registry.example:${secured.port}`;
  return {
    plain,
    secured,
    proxy,
    origin: `http://127.0.0.1:${plain.port}`,
    hijack: () => hijackedConnection(proxy.port, target, ca.cert),
  };
}

test.each([["absolute"], ["mirror"], ["hijacked"]])(
  "status, text and headers come as they were sent: %s",
  async (way) => {
    const { proxy, origin, hijack } = await ways((_request, response) => {
      response.writeHead(
        299,
        "Odd But True",
        [
          ["X-MiXed-Case", "1"],
          ["Set-Cookie", "a=1"],
          ["Set-Cookie", "b=2"],
          ["WWW-Authenticate", 'Bearer realm="https://auth.example/token",service="r"'],
          ["Location", "https://elsewhere.example/x?y"],
          ["Keep-Alive", "timeout=99"],
          ["Content-Length", "3"],
        ].flat(),
      );
      response.end("abc");
    });
    const answer = await ask(
      way === "hijacked"
        ? { socket: await hijack(), path: "/x" }
        : { port: proxy.port, path: way === "mirror" ? "/x" : `${origin}/x` },
    );
    expect(answer.status).toBe(299);
    expect(answer.body.toString()).toBe("abc");
    const pairs = answer.rawHeaders.join("\n");
    expect(pairs).toContain("X-MiXed-Case\n1");
    expect(pairs).toContain("Set-Cookie\na=1\nSet-Cookie\nb=2");
    expect(pairs).toContain('Bearer realm="https://auth.example/token",service="r"');
    expect(answer.headers.location).toBe("https://elsewhere.example/x?y");
    expect(pairs).not.toContain("timeout=99");
  },
);

test("the source sees the client's own headers, and its own name", async () => {
  const { plain, proxy, origin } = await ways((_request, response) => response.end());
  const headers = {
    Authorization: "Bearer secret",
    "X-Odd-CASE": "1",
    "Proxy-Authorization": "Basic x",
    "Proxy-Connection": "keep-alive",
    "X-Twice": ["a", "b"],
  };
  await ask({ port: proxy.port, path: `${origin}/v2/?a=%20b`, headers });
  const [seen] = plain.seen;
  expect(seen!.url).toBe("/v2/?a=%20b");
  expect(seen!.headers.host).toBe(`127.0.0.1:${plain.port}`);
  expect(seen!.headers.authorization).toBe("Bearer secret");
  expect(seen!.rawHeaders.join("\n")).toContain("X-Odd-CASE\n1");
  expect(seen!.rawHeaders.join("\n")).toContain("X-Twice\na\nX-Twice\nb");
  expect(Object.keys(seen!.headers).filter((name) => /proxy|forwarded/.test(name))).toEqual([]);
});

test("the mirror asks the remote, or the registry that containerd names, without ns", async () => {
  const other = await startServer((_request, response) => response.end("other"));
  const { plain, proxy } = await ways((_request, response) => response.end("remote"));
  const remote = `127.0.0.1:${plain.port}`;
  expect((await ask({ port: proxy.port, path: `/v2/?ns=${remote}` })).body.toString()).toBe(
    "remote",
  );
  expect(plain.seen[0]!.url).toBe("/v2/");
  // Another registry is asked by https; this one does not speak it.
  const answer = await ask({ port: proxy.port, path: `/v2/?ns=127.0.0.1:${other.port}` });
  expect(answer.status).toBe(502);
  expect(answer.body.toString()).toContain(`https://127.0.0.1:${other.port}/v2/`);
  expect((await ask({ port: proxy.port, path: "/v2/?ns=a%2Fb" })).status).toBe(400);
});

describe.each([["plain"], ["hijacked"]])("an upload, %s", (way) => {
  test.each([
    ["PUT", true],
    ["PATCH", true],
    ["POST", true],
    ["PATCH", false],
    ["DELETE", false],
  ])("%s (length known: %s) arrives byte for byte", async (method, known) => {
    const { content } = randomBlob(3_000_000);
    const received: Buffer[] = [];
    const { proxy, origin, hijack, plain, secured } = await ways(async (request, response) => {
      for await (const chunk of request) received.push(chunk as Buffer);
      response.writeHead(202, { Location: "/v2/next", Range: "0-1" }).end();
    });
    const body = known ? content : parts(content);
    const headers = known
      ? { "Content-Length": content.length, Expect: "100-continue" }
      : { "Transfer-Encoding": "chunked" };
    const answer = await ask(
      way === "hijacked"
        ? { socket: await hijack(), path: "/v2/up?_state=a%2Bb%3D", method, body, headers }
        : { port: proxy.port, path: `${origin}/v2/up?_state=a%2Bb%3D`, method, body, headers },
    );
    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe("/v2/next");
    expect(Buffer.concat(received).equals(content)).toBe(true);
    const [seen] = (way === "hijacked" ? secured : plain).seen;
    expect(seen).toMatchObject({ method, url: "/v2/up?_state=a%2Bb%3D" });
    expect(seen!.headers["content-length"]).toBe(known ? String(content.length) : undefined);
  });
});

async function* parts(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 300_000) {
    yield content.subarray(at, at + 300_000);
    await sleep(1);
  }
}

test("an answer that comes before the upload is over reaches the client", async () => {
  const { proxy, origin } = await ways((_request, response) => {
    response.writeHead(401, { "WWW-Authenticate": "Basic" }).end("no");
  });
  const { content } = randomBlob(2_000_000);
  const path = `${origin}/v2/up`;
  const answer = await ask({ port: proxy.port, path, method: "PATCH", body: parts(content) });
  expect(answer).toMatchObject({ status: 401, cut: false });
  expect(answer.headers["www-authenticate"]).toBe("Basic");
});

test.each([
  ["HEAD", 200, { "Content-Length": "123456" }, "123456"],
  ["GET", 204, {}, undefined],
  ["GET", 304, { ETag: '"x"' }, undefined],
])("%s with %s has no body", async (method, status, headers, length) => {
  const { proxy, origin } = await ways((_request, response) => {
    response.writeHead(status, headers).end();
  });
  const answer = await ask({ port: proxy.port, path: `${origin}/x`, method });
  expect(answer.status).toBe(status);
  expect(answer.headers["content-length"]).toBe(length);
  expect(answer.body.length).toBe(0);
});

test("a redirect is the client's to follow", async () => {
  const { proxy, origin, plain } = await ways((_request, response) => {
    response.writeHead(307, { Location: "/elsewhere" }).end();
  });
  expect((await ask({ port: proxy.port, path: `${origin}/x` })).status).toBe(307);
  expect(plain.seen.length).toBe(1);
});

test("a source that cannot be reached gives 502 with host and reason", async () => {
  const { port } = await startServer(() => {});
  await cleanUp();
  const proxy = await startTestProxy({});
  const answer = await ask({ port: proxy.port, path: `http://127.0.0.1:${port}/x?token=secret` });
  expect(answer.status).toBe(502);
  expect(answer.body.toString()).toContain(`127.0.0.1:${port}`);
  expect(answer.body.toString()).toContain("ECONNREFUSED");
  expect(answer.body.toString()).not.toContain("secret");
});

test("a source that resets a connection before it answers is asked once more", async () => {
  let asked = 0;
  const { proxy, origin } = await ways(async (request, response) => {
    asked += 1;
    if (asked === 1) request.socket.resetAndDestroy();
    else response.end("there");
  });
  const answer = await ask({ port: proxy.port, path: `${origin}/v2/x/manifests/y` });
  expect(answer).toMatchObject({ status: 200, cut: false });
  expect(asked).toBe(2);
});

test.each([
  ["with a length", { "Content-Length": 1000 }],
  ["without", {}],
])(
  "a source that breaks off in mid-answer breaks the client's connection, %s",
  async (_, headers) => {
    const { proxy, origin } = await ways(async (_request, response) => {
      response.writeHead(200, headers);
      response.write("part");
      await sleep(20);
      response.destroy();
    });
    const answer = await ask({ port: proxy.port, path: `${origin}/x` });
    expect(answer).toMatchObject({ status: 200, cut: true });
  },
);

test("a client that goes away takes its request at the source along", async () => {
  let closed: Promise<unknown> | undefined;
  const { proxy, origin } = await ways((_request, response) => {
    closed = once(response, "close");
    response.write("first");
  });
  const socket = await connectTo(proxy.port);
  socket.write(`GET ${origin}/x HTTP/1.1\r\nHost: h\r\n\r\n`);
  await once(socket, "data");
  socket.destroy();
  await closed;
});

test("a client that goes away before the source has answered does so, too", async () => {
  let closed: Promise<unknown> | undefined;
  let arrived = () => {};
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const { proxy, origin } = await ways((_request, response) => {
    closed = once(response, "close");
    arrived();
  });
  const socket = await connectTo(proxy.port);
  socket.write(`GET ${origin}/x HTTP/1.1\r\nHost: h\r\n\r\n`);
  await arrival;
  socket.destroy();
  await closed;
});

test("a client that does not read holds the source back", async () => {
  let written = 0;
  let stuck: () => void;
  const held = new Promise<void>((resolve) => {
    stuck = resolve;
  });
  const { proxy, origin } = await ways((_request, response) => {
    const chunk = Buffer.alloc(256 * 1024);
    const fill = () => {
      while (written < 256 * 1024 * 1024) {
        written += chunk.length;
        if (!response.write(chunk)) {
          // Nobody takes it for a while: the way to the client is full.
          const timer = setTimeout(stuck, 1000);
          response.once("drain", () => {
            clearTimeout(timer);
            fill();
          });
          return;
        }
      }
      stuck();
    };
    fill();
  });
  const socket = connect({ port: proxy.port, host: "127.0.0.1" });
  socket.pause();
  socket.write(`GET ${origin}/x HTTP/1.1\r\nHost: h\r\n\r\n`);
  await held;
  socket.destroy();
  expect(written).toBeLessThan(64 * 1024 * 1024);
});

test("a kept connection that the source has closed meanwhile costs nothing", async () => {
  const { proxy, origin, plain } = await ways((_request, response) => {
    response.end("ok");
    // Closed without notice, as an idle server does.
    setTimeout(() => response.socket?.destroy(), 5);
  });
  for (let round = 0; round < 3; round++) {
    expect((await ask({ port: proxy.port, path: `${origin}/x` })).status).toBe(200);
    await sleep(5);
  }
  expect(plain.seen.length).toBe(3);
});

test("what is neither URL nor path is refused", async () => {
  const proxy = await startTestProxy({});
  expect((await ask({ port: proxy.port, path: "*", method: "OPTIONS" })).status).toBe(400);
  expect((await ask({ port: proxy.port, path: "ftp://h/x" })).status).toBe(400);
});

test("what a client did not get is counted by whose fault it was; what it did not wait for is not", async () => {
  const blob = randomBlob(1_000_000);
  const registry = await startServer((request, response) => {
    if (request.url === "/busy") response.writeHead(503).end();
    else if (request.url === "/no") response.writeHead(404).end();
    else {
      response.writeHead(200, { "Content-Length": blob.content.length });
      response.write(blob.content.subarray(0, 500_000), () => {
        if (request.url === "/broken") response.destroy();
      });
    }
  });
  const proxy = await startTestProxy({
    registry_mirror: { remote: `http://127.0.0.1:${registry.port}` },
  });
  const failures = async () => {
    const text = (await ask({ port: proxy.port, path: "/metrics" })).body.toString();
    const all = text.matchAll(/failed_requests_total\{reason="(\w+)"\} (\d+)/g);
    return Object.fromEntries([...all].map(([, reason, count]) => [reason, Number(count)]));
  };
  const socket = await connectTo(proxy.port);
  socket.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "data");
  socket.destroy();
  await ask({ port: proxy.port, path: "/no" });
  const none = { wrong_bytes: 0, source_unreachable: 0, source_error: 0, broken_off: 0 };
  expect(await failures()).toEqual(none);

  await ask({ port: proxy.port, path: "/busy" });
  expect((await ask({ port: proxy.port, path: "/broken" })).cut).toBe(true);
  await ask({ port: proxy.port, path: "http://127.0.0.1:1/nobody" });
  const each = { source_unreachable: 1, source_error: 1, broken_off: 1 };
  expect(await failures()).toEqual({ ...none, ...each });
});
