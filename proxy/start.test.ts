import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { PeerOptions } from "../peer/mod.ts";
import { ConfigError } from "../runtime/config_error.ts";
import { HttpClient } from "../runtime/http_client.ts";
import { ListenError } from "../runtime/listen_error.ts";
import { readPeerOptions } from "./peer_options.ts";
import { defaultConfig } from "./settings.ts";
import { startProxy } from "./start.ts";
import {
  ask,
  authority,
  cleanUp,
  connectTo,
  defer,
  hijackedConnection,
  leaf,
  pairFiles,
  randomBlob,
  scratchDirectory,
  serveTestBlob,
  startServer,
  startTestProxy,
  TestPeer,
  testFile,
} from "./testing.ts";

afterEach(cleanUp);

describe("own endpoints", () => {
  test("tell no secrets", async () => {
    vi.stubEnv("REGISTRY_PASSWORD", "hunter2");
    defer(() => vi.unstubAllEnvs());
    const proxy = await startTestProxy({});
    const read = async (path: string) => {
      const answer = await ask({ port: proxy.port, path });
      expect(answer.status).toBe(200);
      return answer.body.toString();
    };
    const env = await read("/env");
    expect(env).toContain("REGISTRY_PASSWORD=(hidden)");
    expect(env).not.toContain("hunter2");
    expect(env).toContain(`PATH=${process.env.PATH}`);
    expect(await read("/args")).toContain(process.argv[0]);
    expect(JSON.parse(await read("/debug/version")).Version).toMatch(/^\d/);
    expect(await read("/healthz")).toBe("ok\n");
    expect(await read("/readyz")).toBe("ok\n");
    const metrics = await read("/metrics?x=1");
    expect(metrics).toContain("dragonfly_dfdaemon_build_info{");
    expect(metrics).toContain('dragonfly_dfdaemon_bytes_total{origin="peer"} 0');
  });

  test("are not those of a hijacked or proxied host", async () => {
    const remote = await startServer((request, response) => response.end(`remote ${request.url}`));
    const proxy = await startTestProxy({});
    const path = `http://127.0.0.1:${remote.port}/metrics`;
    expect((await ask({ port: proxy.port, path })).body.toString()).toBe("remote /metrics");
  });

  test("bytes are counted by origin", async () => {
    let onBytes: PeerOptions["onBytes"];
    const proxy = await startTestProxy({}, undefined, {
      startPeer: async (options) => {
        onBytes = options.onBytes;
        return new TestPeer(() => testFile(new Uint8Array()));
      },
    });
    onBytes!("peer", 5);
    onBytes!("supernode", 7);
    const metrics = (await ask({ port: proxy.port, path: "/metrics" })).body.toString();
    expect(metrics).toContain('bytes_total{origin="peer"} 5');
    expect(metrics).toContain('bytes_total{origin="supernode"} 7');
  });
});

describe("what cannot be used is said at the start", () => {
  test.each([["certpem"], ["hijack"], ["mirror"], ["host"]])(
    "a missing file: %s",
    async (which) => {
      const { cert, key } = await pairFiles(await authority());
      const missing = `${cert}.missing`;
      const configs: Record<string, [object, string]> = {
        certpem: [{ certpem: missing, keypem: key }, "certpem"],
        hijack: [{ hijack_https: { cert, key: missing } }, "hijack_https.key"],
        mirror: [{ registry_mirror: { certs: [missing] } }, "registry_mirror.certs"],
        host: [
          { hijack_https: { cert, key, hosts: [{ regx: "x", certs: [missing] }] } },
          "hijack_https.hosts.0.certs",
        ],
      };
      const [config, name] = configs[which]!;
      const starting = startTestProxy({ ...config });
      await expect(starting).rejects.toThrow(ConfigError);
      await expect(starting).rejects.toThrow(`${name}: ${missing}: no such file`);
    },
  );

  test("a key of another certificate, and a file without certificates", async () => {
    const [one, two] = [await pairFiles(await authority()), await pairFiles(await authority())];
    await expect(startTestProxy({ certpem: one.cert, keypem: two.key })).rejects.toThrow(
      `certpem: ${one.cert} with keypem: ${two.key}: the key does not belong to the certificate`,
    );
    const empty = startTestProxy({ registry_mirror: { certs: [one.key] } });
    await expect(empty).rejects.toThrow("no certificate in PEM form");
  });

  test("a taken port", async () => {
    const { port } = await startServer(() => {});
    const starting = startTestProxy({ port });
    await expect(starting).rejects.toThrow(ListenError);
    await expect(starting).rejects.toThrow(`127.0.0.1:${port}: another program has this port`);
  });

  test.each([
    ["an address of no use", ["--ip", "0.0.0.0"], '"0.0.0.0" for --ip'],
    ["an unknown flag", ["--hme", "/x"], "--hme"],
    ["a port out of range", ["--port", "80"], "--port"],
  ])("dfget_flags: %s", async (_, flags, message) => {
    const reading = readPeerOptions(defaultConfig({ dfget_flags: flags }), await emptyFile());
    await expect(reading).rejects.toThrow(ConfigError);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(/^dfget_flags: /);
  });
});

async function emptyFile(text = ""): Promise<string> {
  const file = join(await scratchDirectory(), "dfget.yml");
  await writeFile(file, text);
  return file;
}

describe("the peer inside", () => {
  test("is set up as v1 sets up dfget", async () => {
    const config = defaultConfig({
      dfget_flags: [
        ...["--home", "/h", "--ip", "127.0.0.9", "--port", "15002", "--expiretime", "20s"],
        ...["-f", "sign&time", "--minrate", "1M", "--clientqueue=3"],
      ],
      ratelimit: "100M",
      hostAliases: { a: "127.0.0.1" },
    });
    const file = await emptyFile("nodes: ['node.example:8002=1']\n");
    expect(await readPeerOptions(config, file)).toEqual({
      ip: "127.0.0.9",
      port: 15002,
      dataDir: "/h/data",
      supernodes: [{ host: "node.example", port: 8002, weight: 1 }],
      localLimit: 100 * 1024 * 1024,
      totalLimit: 100 * 1024 * 1024,
      minRate: 1024 * 1024,
      maxInFlight: 3,
      filter: ["sign", "time"],
      expireMs: 20_000,
      dfdaemon: true,
      hostAliases: { a: "127.0.0.1" },
    });
  });

  test("takes workHome, peerPort, localIP and supernodes of dfdaemon.yml otherwise", async () => {
    const config = defaultConfig({
      workHome: "/w",
      peerPort: 15003,
      localIP: "127.0.0.8",
      supernodes: ["other:1"],
    });
    expect(await readPeerOptions(config, await emptyFile("nodes: [node.example]\n"))).toMatchObject(
      {
        ip: "127.0.0.8",
        port: 15003,
        dataDir: "/w/data",
        supernodes: [{ host: "other", port: 1 }],
      },
    );
  });

  test("takes another port when its own is taken", async () => {
    const taken = createTcpServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    defer(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const proxy = await startProxy({
      config: defaultConfig({ port: 0 }),
      peerOptions: { ip: "127.0.0.1", port, dataDir: await scratchDirectory(), supernodes: [] },
    });
    defer(() => proxy.close(0));
    expect(proxy.peer!.port).not.toBe(port);
    expect(proxy.peer!.port).toBeGreaterThan(0);
  });

  test("must have an address of this host", async () => {
    const starting = startProxy({
      config: defaultConfig({ port: 0 }),
      peerOptions: { ip: "192.0.2.1", port: 0, dataDir: await scratchDirectory(), supernodes: [] },
    });
    await expect(starting).rejects.toThrow("192.0.2.1");
  });
});

test("a blob comes through the real peer, with no supernode there", async () => {
  const blob = randomBlob(9_000_000);
  const registry = await startServer((request, response) => serveTestBlob(blob, request, response));
  const nobody = createServer();
  await new Promise<void>((resolve) => nobody.listen(0, "127.0.0.1", resolve));
  const { port } = nobody.address() as AddressInfo;
  await new Promise((resolve) => nobody.close(resolve));
  const proxy = await startProxy({
    config: defaultConfig({
      port: 0,
      registry_mirror: { remote: `http://127.0.0.1:${registry.port}` },
    }),
    peerOptions: {
      ip: "127.0.0.1",
      port: 0,
      dataDir: await scratchDirectory(),
      supernodes: [{ host: "127.0.0.1", port, weight: 1 }],
    },
  });
  defer(() => proxy.close(0));
  for (const range of [undefined, "bytes=5000000-"]) {
    const headers = range ? { Range: range } : {};
    const answer = await ask({ port: proxy.port, path: blob.path, headers });
    const wanted = range ? blob.content.subarray(5_000_000) : blob.content;
    expect(answer.body.equals(wanted)).toBe(true);
  }
});

test("closing lets what is in flight end, and idle connections go", async () => {
  const ca = await authority();
  const started: (() => void)[] = [];
  const registry = await startServer(
    (request, response) => {
      if (request.url === "/now") response.end("now");
      else started.push(() => response.end("done"));
    },
    await leaf(ca, "registry.example"),
  );
  const files = await pairFiles(ca);
  const proxy = await startTestProxy({
    hijack_https: { ...files, hosts: [{ regx: "registry.example", certs: [files.cert] }] },
    hostAliases: { "registry.example": "127.0.0.1" },
  });
  const target = `registry.example:${registry.port}`;
  const busy = await hijackedConnection(proxy.port, target, ca.cert);
  const idle = await hijackedConnection(proxy.port, target, ca.cert);
  await ask({ socket: idle, path: "/now" });
  const asking = ask({ socket: busy, path: "/" });
  await vi.waitUntil(() => started.length === 1);
  const closing = proxy.close(30_000);
  await new Promise((resolve) => idle.once("end", resolve).resume());
  await expect(connectTo(proxy.port)).rejects.toThrow("ECONNREFUSED");
  started[0]!();
  expect((await asking).body.toString()).toBe("done");
  busy.destroy();
  await closing;
});

describe("reload", () => {
  /** The serial number of the certificate that a client is shown. */
  const shown = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.on("error", reject);
    });
  const peerOptions = { ip: "127.0.0.1", port: 0, dataDir: "/nowhere", supernodes: [] };

  test("takes rules, certificates, supernodes and limits", async () => {
    const remote = await startServer((request, response) => response.end(`remote ${request.url}`));
    const peer = new TestPeer(() => testFile(new Uint8Array()));
    const adjust = vi.spyOn(peer, "adjust");
    const ca = await authority();
    const [old, renewed] = [
      await pairFiles(await leaf(ca, "127.0.0.1")),
      await pairFiles(await leaf(ca, "127.0.0.1")),
    ];
    const proxy = await startTestProxy({ certpem: old.cert, keypem: old.key }, peer);
    const before = await shown(proxy.port);
    expect(await shown(proxy.port)).toBe(before);

    const config = defaultConfig({
      port: 0,
      certpem: renewed.cert,
      keypem: renewed.key,
      registry_mirror: { remote: `http://127.0.0.1:${remote.port}` },
    });
    const supernodes = [{ host: "127.0.0.9", port: 8002, weight: 1 }];
    const next = { ...peerOptions, supernodes, localLimit: 5, totalLimit: 5 };
    expect(await proxy.reload(config, next)).toEqual([]);
    expect(await shown(proxy.port)).not.toBe(before);
    expect(adjust).toHaveBeenCalledWith(expect.objectContaining({ supernodes, totalLimit: 5 }));
    const client = new HttpClient();
    defer(() => client.close());
    const answer = await client.text(`https://127.0.0.1:${proxy.port}/v2/x`, {
      tls: { insecure: true },
    });
    expect(answer.text).toBe("remote /v2/x");
  });

  test("takes certificates when their files change, and keeps the old ones where they are no good", async () => {
    const ca = await authority();
    const own = await pairFiles(await leaf(ca, "127.0.0.1"));
    const proxy = await startTestProxy({ certpem: own.cert, keypem: own.key }, undefined, {
      lookMs: 20,
    });
    const before = await shown(proxy.port);
    const renewed = await leaf(ca, "127.0.0.1");
    await writeFile(own.cert, renewed.cert);
    await writeFile(own.key, renewed.key);
    const taken = async () => (await shown(proxy.port)) !== before;
    await vi.waitUntil(taken, { timeout: 10_000 });
    const after = await shown(proxy.port);
    await writeFile(own.key, "no key");
    await sleep(300);
    expect(await shown(proxy.port)).toBe(after);
  });

  test("takes the certificate of hijacked hosts when its files change, and drops no connection", async () => {
    const ca = await authority();
    const files = await pairFiles(await leaf(ca, "registry.example"));
    const hijack_https = { ...files, hosts: [{ regx: "registry.example" }] };
    const proxy = await startTestProxy({ hijack_https }, undefined, { lookMs: 20 });
    const serial = async () => {
      const socket = await hijackedConnection(proxy.port, "registry.example:443", ca.cert);
      const { serialNumber } = (socket as TLSSocket).getPeerCertificate();
      socket.destroy();
      return serialNumber;
    };
    const before = await serial();
    const standing = await hijackedConnection(proxy.port, "registry.example:443", ca.cert);
    const renewed = await leaf(ca, "registry.example");
    await writeFile(files.cert, renewed.cert);
    await writeFile(files.key, renewed.key);
    await vi.waitUntil(async () => (await serial()) !== before, { timeout: 10_000 });
    const answered = once(standing, "data");
    standing.write("GET /healthz HTTP/1.1\r\nHost: registry.example\r\n\r\n");
    expect(String((await answered)[0])).toMatch(/^HTTP\/1\.1 /);
    standing.destroy();
  });

  test("refuses what cannot be used, and keeps what it has", async () => {
    const remote = await startServer((_request, response) => response.end("remote"));
    const mirror = { remote: `http://127.0.0.1:${remote.port}` };
    const { cert, key } = await pairFiles(await authority());
    const proxy = await startTestProxy({ registry_mirror: mirror });
    const hijack = { cert, key: `${key}.missing`, hosts: [{ regx: "x" }] };
    const bad = defaultConfig({ registry_mirror: {}, hijack_https: hijack });
    await expect(proxy.reload(bad, peerOptions)).rejects.toThrow(
      `hijack_https.key: ${key}.missing: no such file`,
    );
    expect((await ask({ port: proxy.port, path: "/v2/x" })).body.toString()).toBe("remote");
  });

  test("says what waits for a restart", async () => {
    const { cert, key } = await pairFiles(await authority());
    const proxy = await startTestProxy({});
    const next = defaultConfig({ port: 1, certpem: cert, keypem: key, ratelimit: "1G" });
    const moved = { ...peerOptions, dataDir: "/elsewhere" };
    expect(await proxy.reload(next, moved)).toEqual(["port", "certpem", "dfget_flags"]);
  });
});
