import { createHash } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { DownloadError, type OpenFile, WrongDigestError } from "../peer/mod.ts";
import type { ProxyOptions } from "./start.ts";
import {
  type Ask,
  ask,
  authority,
  type Blob,
  cleanUp,
  connectTo,
  hijackedConnection,
  leaf,
  pairFiles,
  randomBlob,
  serveTestBlob,
  startServer,
  startTestProxy,
  TestPeer,
  testFile,
} from "./testing.ts";

afterEach(cleanUp);

const RULES = [{ regx: "blobs/sha256" }];
const SIZE = 1_000_000;

/** A registry with one blob, and a proxy whose peer does as ordered. */
async function setUp(
  onOpen: (blob: Blob) => OpenFile | Promise<OpenFile>,
  handle: typeof serveTestBlob = serveTestBlob,
  options: Partial<ProxyOptions> = {},
) {
  const blob = randomBlob(SIZE);
  const registry = await startServer((request, response) => handle(blob, request, response));
  const peer = new TestPeer(() => onOpen(blob));
  const origin = `http://127.0.0.1:${registry.port}`;
  const proxy = await startTestProxy(
    { proxies: RULES, registry_mirror: { remote: origin } },
    peer,
    options,
  );
  return {
    blob,
    registry,
    peer,
    proxy,
    /** Asks for the blob as a proxy client does. */
    get: (more: Partial<Ask> = {}) =>
      ask({ port: proxy.port, path: `${origin}${blob.path}`, ...more }),
    gets: () => registry.seen.filter(({ method }) => method === "GET"),
    metrics: async () => (await ask({ port: proxy.port, path: "/metrics" })).body.toString(),
  };
}

/** A promise to settle from outside. */
function deferred<Value>() {
  let resolve!: (value: Value | PromiseLike<Value>) => void;
  const promise = new Promise<Value>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

describe("a blob by p2p", () => {
  test.each([["proxied"], ["mirrored"]])(
    "%s: bytes from the peer, the rest from the source",
    async (way) => {
      const { blob, peer, get, gets, registry } = await setUp((blob) => testFile(blob.content));
      const answer = await get(way === "mirrored" ? { path: `${blob.path}?ns=` } : {});
      expect(answer.status).toBe(200);
      expect(answer.body.equals(blob.content)).toBe(true);
      expect(answer.headers).toMatchObject({
        "content-type": "application/octet-stream",
        "content-length": String(SIZE),
        "docker-content-digest": blob.digest,
        etag: `"${blob.digest}"`,
        "accept-ranges": "bytes",
      });
      expect(gets()).toEqual([]);
      expect(registry.seen.length).toBe(1);
      expect(peer.opened[0]).toMatchObject({
        url: `http://127.0.0.1:${registry.port}${blob.path}`,
        length: SIZE,
      });
    },
  );

  test("hijacked, several on one connection", async () => {
    const ca = await authority();
    const blob = randomBlob(SIZE);
    const registry = await startServer(
      (request, response) => serveTestBlob(blob, request, response),
      await leaf(ca, "registry.example"),
    );
    const files = await pairFiles(ca);
    const peer = new TestPeer(() => testFile(blob.content));
    const proxy = await startTestProxy(
      {
        proxies: RULES,
        hijack_https: { ...files, hosts: [{ regx: "registry.example", certs: [files.cert] }] },
        hostAliases: { "registry.example": "127.0.0.1" },
      },
      peer,
    );
    const target = `registry.example:${registry.port}`;
    const socket = await hijackedConnection(proxy.port, target, ca.cert);
    for (const headers of [{}, { Range: "bytes=10-19" }, {}]) {
      const answer = await ask({ socket, path: blob.path, headers });
      const whole = answer.status === 200;
      expect(answer.body.equals(whole ? blob.content : blob.content.subarray(10, 20))).toBe(true);
    }
    expect(peer.opened[0]!.url).toBe(`https://${target}${blob.path}`);
    expect(peer.opened[0]!.tls).toEqual({ ca: [ca.cert.trim()], insecure: false });
  });

  test("the client's credentials go to the source and the peer, its selective headers do not", async () => {
    const { peer, get, registry } = await setUp((blob) => testFile(blob.content));
    await get({
      headers: {
        Authorization: "Bearer x",
        "Accept-Encoding": "gzip",
        Range: "bytes=0-9",
        "User-Agent": "test",
        "Proxy-Authorization": "y",
      },
    });
    expect(peer.opened[0]!.headers).toEqual({ Authorization: "Bearer x", "User-Agent": "test" });
    const { headers } = registry.seen[0]!;
    expect(headers.authorization).toBe("Bearer x");
    expect([headers["accept-encoding"], headers.range]).toEqual([undefined, undefined]);
  });

  test.each([
    ["bytes=0-9", undefined, 206, 0, 9],
    ["bytes=0-", undefined, 206, 0, SIZE - 1],
    ["bytes=999990-", undefined, 206, 999_990, SIZE - 1],
    ["bytes=-5", undefined, 206, SIZE - 5, SIZE - 1],
    ["bytes=5-99999999", undefined, 206, 5, SIZE - 1],
    ["bytes=0-1,4-5", undefined, 200, 0, SIZE - 1],
    ["lines=1-2", undefined, 200, 0, SIZE - 1],
    ["bytes=0-9", "same", 206, 0, 9],
    ["bytes=0-9", '"other"', 200, 0, SIZE - 1],
    ["bytes=0-9", 'W/"weak"', 200, 0, SIZE - 1],
    ["bytes=0-9", "Wed, 21 Oct 2015 07:28:00 GMT", 200, 0, SIZE - 1],
  ])("Range: %s with If-Range %s → %i", async (range, ifRange, status, start, end) => {
    const { blob, get, gets } = await setUp((blob) => testFile(blob.content));
    const condition = ifRange === "same" ? `"${blob.digest}"` : ifRange;
    const answer = await get({
      headers: { Range: range, ...(condition ? { "If-Range": condition } : {}) },
    });
    expect(answer.status).toBe(status);
    expect(answer.headers["content-range"]).toBe(
      status === 206 ? `bytes ${start}-${end}/${SIZE}` : undefined,
    );
    expect(answer.headers["content-length"]).toBe(String(end - start + 1));
    expect(answer.body.equals(blob.content.subarray(start, end + 1))).toBe(true);
    expect(gets()).toEqual([]);
  });

  test("a range beyond the end gives 416 with the length", async () => {
    const { get, peer } = await setUp((blob) => testFile(blob.content));
    const answer = await get({ headers: { Range: `bytes=${SIZE}-` } });
    expect(answer.status).toBe(416);
    expect(answer.headers["content-range"]).toBe(`bytes */${SIZE}`);
    expect(peer.opened).toEqual([]);
  });
});

describe("the source decides", () => {
  test("401 reaches the client from the source itself", async () => {
    const { get, peer } = await setUp(
      (blob) => testFile(blob.content),
      (blob, request, response) => {
        if (request.headers.authorization === "Bearer good") {
          serveTestBlob(blob, request, response);
          return;
        }
        response.writeHead(401, { "WWW-Authenticate": 'Bearer realm="r"' });
        response.end(request.method === "HEAD" ? undefined : '{"errors":[]}');
      },
    );
    const refused = await get({ headers: { Authorization: "Bearer bad" } });
    expect(refused.status).toBe(401);
    expect(refused.headers["www-authenticate"]).toBe('Bearer realm="r"');
    expect(refused.body.toString()).toBe('{"errors":[]}');
    expect(peer.opened).toEqual([]);
    expect((await get({ headers: { Authorization: "Bearer good" } })).status).toBe(200);
    expect(peer.opened.length).toBe(1);
  });

  test.each([
    ["no length", (_: Blob, response: ServerResponse) => response.removeHeader("Content-Length")],
    [
      "a packed body",
      (_: Blob, response: ServerResponse) => response.setHeader("Content-Encoding", "gzip"),
    ],
  ])("%s: straight", async (_, spoil) => {
    const { blob, get, peer } = await setUp(
      (blob) => testFile(blob.content),
      (blob, request, response) => {
        response.setHeader("Content-Length", SIZE);
        spoil(blob, response);
        response.end(request.method === "HEAD" ? undefined : blob.content);
      },
    );
    const answer = await get();
    expect(answer.body.equals(blob.content)).toBe(true);
    expect(peer.opened).toEqual([]);
  });
});

describe("a registry that redirects to another host", () => {
  /** `storage` answers for the blob; the registry sends everybody there. */
  async function redirecting(storageAnswers: typeof serveTestBlob) {
    const blob = randomBlob(SIZE);
    const storage = await startServer((request, response) =>
      storageAnswers(blob, request, response),
    );
    const registry = await startServer((_request, response) => {
      const location = `http://localhost:${storage.port}/bucket/object?sig=s`;
      response.writeHead(307, { Location: location }).end();
    });
    const peer = new TestPeer(() => testFile(blob.content));
    const proxy = await startTestProxy(
      { proxies: RULES, hostAliases: { localhost: "127.0.0.1" } },
      peer,
    );
    const path = `http://127.0.0.1:${registry.port}${blob.path}`;
    const headers = { Authorization: "Bearer secret", Cookie: "c=1" };
    return { blob, storage, registry, peer, get: () => ask({ port: proxy.port, path, headers }) };
  }

  test("is followed, its credentials kept from the other host", async () => {
    const { blob, storage, registry, peer, get } = await redirecting(serveTestBlob);
    const answer = await get();
    expect(answer.body.equals(blob.content)).toBe(true);
    expect(registry.seen[0]!.headers.authorization).toBe("Bearer secret");
    expect(storage.seen.map(({ method }) => method)).toEqual(["HEAD"]);
    expect(storage.seen[0]!.headers.authorization).toBeUndefined();
    expect(storage.seen[0]!.headers.cookie).toBeUndefined();
    expect(peer.opened[0]!.url).toBe(`http://127.0.0.1:${registry.port}${blob.path}`);
  });

  test.each([[403], [405], [501]])(
    "whose storage answers HEAD with %i is asked for one byte",
    async (status) => {
      const { blob, storage, peer, get } = await redirecting((blob, request, response) => {
        if (request.method === "HEAD") response.writeHead(status).end();
        else serveTestBlob(blob, request, response);
      });
      const answer = await get();
      expect(answer.status).toBe(200);
      expect(answer.body.equals(blob.content)).toBe(true);
      expect(answer.headers["content-length"]).toBe(String(SIZE));
      expect(answer.headers["content-range"]).toBeUndefined();
      expect(peer.opened.length).toBe(1);
      expect(storage.seen.map(({ method, headers }) => [method, headers.range])).toEqual([
        ["HEAD", undefined],
        ["GET", "bytes=0-0"],
      ]);
      expect(storage.seen[1]!.headers.authorization).toBeUndefined();
    },
  );

  test("whose storage refuses altogether: the redirect itself goes to the client", async () => {
    const { peer, get } = await redirecting((_blob, _request, response) => {
      response.writeHead(403).end();
    });
    expect((await get()).status).toBe(307);
    expect(peer.opened).toEqual([]);
  });

  test("a length that comes with another answer than a part of the file is none", async () => {
    const { peer, get } = await setUp(
      (blob) => testFile(blob.content),
      (_blob, request, response) => {
        if (request.method === "HEAD") response.writeHead(405).end();
        else response.writeHead(416, { "Content-Range": `bytes */${SIZE}` }).end();
      },
    );
    expect((await get()).status).toBe(416);
    expect(peer.opened).toEqual([]);
  });

  test("403 of the registry itself is an answer, not a reason to try otherwise", async () => {
    const { get, gets, peer } = await setUp(
      (blob) => testFile(blob.content),
      (_blob, _request, response) => void response.writeHead(403).end(),
    );
    expect((await get()).status).toBe(403);
    expect(gets().map(({ headers }) => headers.range)).toEqual([undefined]);
    expect(peer.opened).toEqual([]);
  });
});

describe("when p2p fails", () => {
  test.each([
    ["open() throws", () => Promise.reject(new DownloadError("no supernode")), "open_failed"],
    ["open() hangs", () => new Promise<OpenFile>(() => {}), "open_timeout"],
    ["the length differs", () => testFile(Buffer.alloc(SIZE - 1)), "length_differs"],
  ])("%s: straight", async (_, onOpen, reason) => {
    const { blob, get, gets, metrics } = await setUp(onOpen, serveTestBlob, { openTimeoutMs: 50 });
    const answer = await get();
    expect(answer.status).toBe(200);
    expect(answer.body.equals(blob.content)).toBe(true);
    expect(gets().length).toBe(1);
    const text = await metrics();
    expect(text).toContain(`dragonfly_dfdaemon_fallbacks_total{reason="${reason}"} 1`);
    expect(text).toContain(`dragonfly_dfdaemon_bytes_total{origin="registry"} ${SIZE}`);
  });

  test("a file that opens too late is let go of", async () => {
    const { promise, resolve } = deferred<OpenFile>();
    const { blob, get } = await setUp(() => promise, serveTestBlob, { openTimeoutMs: 20 });
    await get();
    await new Promise<void>((onCancel) => resolve(testFile(blob.content, { onCancel })));
  });

  test.each([
    ["at the first byte", 0, undefined],
    ["midway", 300_000, undefined],
    ["one byte before the end", SIZE - 1, undefined],
    ["in a range", 1000, "bytes=500-5000"],
  ])("%s: on from the source, byte for byte", async (_, failAfter, range) => {
    const error = new DownloadError("all peers gone");
    const { blob, get, gets, metrics } = await setUp((blob) =>
      testFile(blob.content, { failAfter, error }),
    );
    const answer = await get(range ? { headers: { Range: range } } : {});
    const wanted = range ? blob.content.subarray(500, 5001) : blob.content;
    expect(answer.cut).toBe(false);
    expect(answer.body.equals(wanted)).toBe(true);
    const start = (range ? 500 : 0) + failAfter;
    expect(gets().map(({ headers }) => headers.range)).toEqual([
      `bytes=${start}-${range ? 5000 : SIZE - 1}`,
    ]);
    expect(await metrics()).toContain('fallbacks_total{reason="stream_failed"} 1');
  });

  test.each([
    ["as far as the client has it", 300_000],
    ["further", 700_000],
    ["not so far", 100_000],
  ])("what was hashed %s is part of what is compared in the end", async (_, bytes) => {
    const error = new DownloadError("all peers gone");
    const spoilt = { of: (content: Buffer) => content };
    const { blob, get, gets, metrics } = await setUp((blob) => {
      const content = spoilt.of(blob.content);
      const hashed = () => ({
        bytes,
        hash: createHash("sha256").update(content.subarray(0, bytes)),
      });
      return testFile(content, { failAfter: 300_000, error, hashed });
    });
    const good = await get();
    expect(good.cut).toBe(false);
    expect(good.body.equals(blob.content)).toBe(true);
    const asked = [`bytes=${Math.min(bytes, 300_000)}-${SIZE - 1}`];
    expect(gets().map(({ headers }) => headers.range)).toEqual(asked);
    expect(await metrics()).toContain("dragonfly_dfdaemon_verification_failures_total 0");
    spoilt.of = (content) => {
      const wrong = Buffer.from(content);
      wrong[50_000]! ^= 1;
      return wrong;
    };
    const bad = await get();
    expect(bad.cut).toBe(true);
    expect(bad.body.byteLength).toBeLessThan(SIZE);
    expect(await metrics()).toContain("dragonfly_dfdaemon_verification_failures_total 1");
  });

  test("a stream that falls silent counts as failed", async () => {
    const { blob, get } = await setUp(
      (blob) => testFile(blob.content, { failAfter: 200_000 }),
      serveTestBlob,
      { stallTimeoutMs: 50 },
    );
    const answer = await get();
    expect(answer.body.equals(blob.content)).toBe(true);
  });

  test("a stream that ends early, too", async () => {
    const { blob, get } = await setUp((blob) => ({
      ...testFile(blob.content.subarray(0, 70_000)),
      length: SIZE,
    }));
    expect((await get()).body.equals(blob.content)).toBe(true);
  });

  test("a source without ranges: what the client has is skipped", async () => {
    const error = new DownloadError("gone");
    const { blob, get } = await setUp(
      (blob) => testFile(blob.content, { failAfter: 300_001, error }),
      (blob, request, response) => {
        delete request.headers.range;
        serveTestBlob(blob, request, response);
      },
    );
    expect((await get()).body.equals(blob.content)).toBe(true);
  });

  test.each([
    ["another length", 200, { "Content-Length": 5 }],
    ["another range", 206, { "Content-Range": `bytes 0-4/${SIZE}`, "Content-Length": 5 }],
    ["an error", 500, { "Content-Length": 5 }],
  ])("and the source has %s: cut, nothing foreign sent", async (_, status, headers) => {
    const error = new DownloadError("gone");
    const { blob, get, metrics } = await setUp(
      (blob) => testFile(blob.content, { failAfter: 300_000, error }),
      (blob, request, response) => {
        if (request.method === "HEAD") serveTestBlob(blob, request, response);
        else response.writeHead(status, headers).end("wrong");
      },
    );
    const answer = await get();
    expect(answer.cut).toBe(true);
    expect(answer.body.equals(blob.content.subarray(0, answer.body.length))).toBe(true);
    expect(await metrics()).toContain('failed_requests_total{reason="broken_off"} 1');
  });

  test("wrong bytes cut the connection, and nobody else is asked", async () => {
    const error = new WrongDigestError("sha256 differs");
    const { get, gets, metrics } = await setUp((blob) =>
      testFile(blob.content, { failAfter: SIZE - 100, error }),
    );
    expect(await metrics()).toContain("dragonfly_dfdaemon_verification_failures_total 0");
    const answer = await get();
    expect(answer.cut).toBe(true);
    expect(await metrics()).toContain("dragonfly_dfdaemon_verification_failures_total 1");
    expect(await metrics()).toContain('failed_requests_total{reason="wrong_bytes"} 1');
    expect(await metrics()).toContain("dragonfly_dfdaemon_first_byte_duration_seconds_count 1");
    expect(answer.body.length).toBeLessThan(SIZE);
    expect(gets()).toEqual([]);
  });

  test.each([
    ["turn out wrong", new WrongDigestError("sha256 differs")],
    ["are at an end, here and at the source", new DownloadError("gone")],
  ])(
    "a client that has sent its next request already has no part of that answer for the rest of bytes that %s",
    async (_, error) => {
      let opened = 0;
      const { blob, proxy, registry } = await setUp(
        (blob) => testFile(blob.content, opened++ === 0 ? { failAfter: SIZE - 100, error } : {}),
        (blob, request, response) => {
          if (request.method === "HEAD") serveTestBlob(blob, request, response);
          else response.writeHead(500).end();
        },
      );
      const socket = await connectTo(proxy.port);
      socket.on("error", () => {});
      const request = `GET http://127.0.0.1:${registry.port}${blob.path} HTTP/1.1\r\nHost: h\r\n`;
      socket.write(`${request}\r\n${request}Connection: close\r\n\r\n`);
      const chunks: Buffer[] = [];
      socket.on("data", (chunk: Buffer) => chunks.push(chunk));
      await new Promise((over) => socket.once("end", over).once("close", over));
      const answer = Buffer.concat(chunks);
      const head = answer.indexOf("\r\n\r\n") + 4;
      expect(answer.toString("latin1", 0, head)).toMatch(/^HTTP\/1.1 200 /);
      expect(answer.length - head).toBeLessThan(SIZE);
    },
  );

  test("more bytes than were promised do not come before the next answer", async () => {
    const { blob, proxy, registry } = await setUp((blob) => ({
      ...testFile(blob.content),
      stream: () => testFile(Buffer.concat([blob.content, Buffer.alloc(10)])).stream(),
    }));
    const socket = await connectTo(proxy.port);
    for (let round = 0; round < 2; round++) {
      const path = `http://127.0.0.1:${registry.port}${blob.path}`;
      const answer = await ask({ socket, path });
      expect(answer).toMatchObject({ status: 200, cut: false });
      expect(answer.body.equals(blob.content)).toBe(true);
    }
  });

  test("no peer at all: straight, and said by /readyz", async () => {
    const blob = randomBlob(SIZE);
    const registry = await startServer((request, response) =>
      serveTestBlob(blob, request, response),
    );
    const remote = `http://127.0.0.1:${registry.port}`;
    const proxy = await startTestProxy({ registry_mirror: { remote } }, undefined, {
      startPeer: () => Promise.reject(new Error("disk full")),
    });
    const answer = await ask({ port: proxy.port, path: blob.path });
    expect(answer.body.equals(blob.content)).toBe(true);
    expect((await ask({ port: proxy.port, path: "/readyz" })).status).toBe(503);
  });
});

test("a client that goes away cancels the stream", async () => {
  const cancelled = deferred<void>();
  const { blob, proxy, registry } = await setUp((blob) =>
    testFile(blob.content, { failAfter: 100_000, onCancel: cancelled.resolve }),
  );
  const socket = connect({ port: proxy.port, host: "127.0.0.1" });
  socket.write(`GET http://127.0.0.1:${registry.port}${blob.path} HTTP/1.1\r\nHost: h\r\n\r\n`);
  await once(socket, "data");
  socket.destroy();
  await cancelled.promise;
});

test("a client that does not read holds the stream back", async () => {
  const size = 64 * 1024 * 1024;
  const content = Buffer.alloc(size);
  let handed = 0;
  const cancelled = deferred<void>();
  const { blob, proxy, registry } = await setUp(
    () =>
      testFile(content, {
        onChunk: (bytes) => {
          handed += bytes;
        },
        onCancel: cancelled.resolve,
      }),
    (_blob, _request, response) => void response.writeHead(200, { "Content-Length": size }).end(),
  );
  const socket = connect({ port: proxy.port, host: "127.0.0.1" });
  socket.pause();
  socket.write(`GET http://127.0.0.1:${registry.port}${blob.path} HTTP/1.1\r\nHost: h\r\n\r\n`);
  // Full when two looks in a row see no more asked for.
  for (let before = -1; handed === 0 || handed > before; ) {
    before = handed;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  socket.destroy();
  await cancelled.promise;
  expect(handed).toBeLessThan(size / 2);
});
