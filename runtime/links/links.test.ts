import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { createAuthority, type KeyPair, mintLeaf } from "../certificates.ts";
import { HttpClient } from "../http_client.ts";
import { getLogger } from "../logger.ts";
import type { OwnRequest } from "../plain_http/plain_http.ts";
import { serve } from "../serve.ts";
import { type Links, openLinks } from "./links.ts";
import type { LinkSettings } from "./settings.ts";
import { signatureOf } from "./signature.ts";

const LOOK_MS = 20;
const log = getLogger("links-test");

async function scratch(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "links-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

const authority = (commonName = "ours") =>
  createAuthority({ commonName, days: 2, nowMs: Date.now() });

function member(ca: KeyPair, names: string[], more: { client?: boolean; nowMs?: number } = {}) {
  return mintLeaf(ca, { names, days: 1, nowMs: Date.now(), client: true, ...more });
}

/** A `tls:` block for a certificate, in files. */
async function tlsFiles(ca: KeyPair, pair: KeyPair) {
  const dir = await scratch();
  const files = { cert: join(dir, "cert"), key: join(dir, "key"), ca: join(dir, "ca") };
  await writeFile(files.cert, pair.cert);
  await writeFile(files.key, pair.key);
  await writeFile(files.ca, ca.cert);
  return { tls: { ...files, verifyHostname: true } };
}

async function open(settings: LinkSettings | undefined): Promise<Links | undefined> {
  const links = await openLinks(settings, log, LOOK_MS);
  onTestFinished(() => links?.close());
  return links;
}

async function client(settings?: LinkSettings, hostAliases = {}): Promise<HttpClient> {
  const http = new HttpClient({ links: await open(settings), hostAliases });
  onTestFinished(() => http.close());
  return http;
}

const file = randomBytes(3_000_000);
/** More than all buffers between server and client hold. */
const LONG_BYTES = 40_000_000;

/** A server of ours; how many connections it has had. */
async function server(settings: LinkSettings) {
  const links = await open(settings);
  const sockets = new Set<Socket>();
  const running = await serve({
    hostname: "127.0.0.1",
    port: 0,
    links,
    async fetch(request, { incoming }) {
      sockets.add(incoming.socket);
      const { pathname } = new URL(request.url);
      if (pathname === "/file") return new Response(file);
      if (pathname === "/long") return new Response(new Uint8Array(LONG_BYTES));
      return new Response(`${request.method} ${await request.text()}`);
    },
  });
  onTestFinished(() => running.close());
  return {
    url: `http://127.0.0.1:${running.port}`,
    place: { host: "127.0.0.1", port: running.port },
    sockets,
  };
}

/** Gets the file by the client for peers; its sha256. */
async function plainFile(http: HttpClient, place: { host: string; port: number }) {
  const hash = createHash("sha256");
  let status = 0;
  const request: OwnRequest = {
    path: "/file",
    connectTimeoutMs: 2000,
    idleTimeoutMs: 2000,
    onHead: (head) => {
      status = head.status;
    },
    onBody: (chunk) => void hash.update(chunk),
  };
  await http.plain.get(place, request);
  return { status, hash: hash.digest("hex") };
}

const right = { status: 200, hash: createHash("sha256").update(file).digest("hex") };

describe("mutual TLS", () => {
  it("is spoken by both clients, on connections that are kept", async () => {
    const ca = await authority();
    const { url, place, sockets } = await server(await tlsFiles(ca, await member(ca, ["a.test"])));
    const http = await client(await tlsFiles(ca, await member(ca, ["b.test"])));
    for (let round = 0; round < 3; round++) {
      expect((await http.text(`${url}/x`, { own: true, method: "POST", body: "hello" })).text).toBe(
        "POST hello",
      );
      expect(await plainFile(http, place)).toEqual(right);
    }
    expect(sockets.size).toBe(2);
    const many = await Promise.all(Array.from({ length: 8 }, () => plainFile(http, place)));
    for (const one of many) expect(one).toEqual(right);
    // The first handshake is enough for those that follow it.
    const resumed = [...sockets].filter((socket) => (socket as TLSSocket).isSessionReused());
    expect(resumed.length).toBeGreaterThanOrEqual(7);
  });

  it("refuses who shows no certificate, or another authority's, or speaks no TLS", async () => {
    const [ca, foreign] = [await authority(), await authority("theirs")];
    const { url, place, sockets } = await server(await tlsFiles(ca, await member(ca, ["a.test"])));
    const bare = await client();
    const port = String(place.port);
    for (const ask of [
      () => bare.text(`${url}/x`),
      () => bare.text(`https://127.0.0.1:${port}/x`, { tls: { insecure: true } }),
      () => plainFile(bare, place),
    ]) {
      await expect(ask()).rejects.toThrow();
    }
    // It trusts ours, and has nothing that ours would trust.
    const settings = await tlsFiles(foreign, await member(foreign, ["b.test"]));
    await writeFile(settings.tls.ca, foreign.cert + ca.cert);
    const stranger = await client(settings);
    await expect(stranger.text(`${url}/x`, { own: true })).rejects.toThrow();
    await expect(plainFile(stranger, place)).rejects.toThrow();
    const raw = connectTcp(place);
    raw.write("GET /file HTTP/1.1\r\nhost: x\r\n\r\n");
    let text = "";
    raw.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    raw.on("error", () => {});
    await once(raw, "close");
    expect(text).not.toContain("HTTP/1.1 200");
    expect(sockets.size).toBe(0);
  });

  it("is TLS 1.3, by which certificates are not sent in the clear", async () => {
    const ca = await authority();
    const pair = await member(ca, ["a.test"]);
    const { place } = await server(await tlsFiles(ca, pair));
    const by = async (maxVersion: "TLSv1.2" | "TLSv1.3") => {
      const socket = connectTls({
        ...place,
        ...pair,
        ca: ca.cert,
        servername: "a.test",
        maxVersion,
      });
      onTestFinished(() => void socket.destroy());
      return once(socket, "secureConnect").then(
        () => "connected",
        () => "refused",
      );
    };
    expect(await by("TLSv1.3")).toBe("connected");
    expect(await by("TLSv1.2")).toBe("refused");
  });

  it("is not spoken to a server of another authority, nor to one that does not have its name", async () => {
    const [ca, foreign] = [await authority(), await authority("theirs")];
    const theirs = await server(await tlsFiles(foreign, await member(foreign, ["a.test"])));
    const ours = await server(await tlsFiles(ca, await member(ca, ["a.test"])));
    const settings = await tlsFiles(ca, await member(ca, ["b.test"]));
    const http = await client(settings, { "a.test": "127.0.0.1", "c.test": "127.0.0.1" });
    const asked = { own: true };
    await expect(http.text(`${theirs.url}/x`, asked)).rejects.toThrow(
      "its certificate is not of an authority in tls.ca",
    );
    await expect(plainFile(http, theirs.place)).rejects.toThrow("not of an authority in tls.ca");
    // A registry is nobody of ours: `tls.ca` says nothing of it.
    await expect(http.text(`${theirs.url.replace("http:", "https:")}/x`)).rejects.toThrow(
      "not of an authority that is trusted here",
    );
    const { port } = ours.place;
    expect((await http.text(`http://a.test:${port}/x`, asked)).status).toBe(200);
    await expect(http.text(`http://c.test:${port}/x`, asked)).rejects.toThrow(/c\.test/);
    expect(await plainFile(http, { host: "a.test", port })).toEqual(right);
    await expect(plainFile(http, { host: "c.test", port })).rejects.toThrow(/c\.test/);
    const trusting = { tls: { ...settings.tls, verifyHostname: false } };
    const lenient = await client(trusting, { "c.test": "127.0.0.1" });
    expect((await lenient.text(`http://c.test:${port}/x`, asked)).status).toBe(200);
    expect(await plainFile(lenient, { host: "c.test", port })).toEqual(right);
  });

  it("takes renewed files, even of another authority, while a transfer goes on", async () => {
    const [ca, next] = [await authority(), await authority("next")];
    const settings = await tlsFiles(ca, await member(ca, ["a.test"]));
    const { url, place, sockets } = await server(settings);
    const http = await client(await tlsFiles(ca, await member(ca, ["b.test"])));
    const running = await http.request(`${url}/long`, { own: true });
    running.body.pause();
    const renewed = await client(await tlsFiles(next, await member(next, ["b.test"])));
    await expect(plainFile(renewed, place)).rejects.toThrow();

    const pair = await member(next, ["a.test"]);
    await writeFile(settings.tls.cert, pair.cert);
    await writeFile(settings.tls.key, pair.key);
    await writeFile(settings.tls.ca, next.cert);
    const taken = async () => (await plainFile(renewed, place).catch(() => undefined))?.status;
    await expect.poll(taken, { timeout: 5000 }).toBe(200);
    // Who asks by the old one is a stranger now, but for what he has begun.
    const late = await client(await tlsFiles(ca, await member(ca, ["b.test"])));
    await expect(plainFile(late, place)).rejects.toThrow();
    let bytes = 0;
    for await (const chunk of running.body) bytes += (chunk as Buffer).byteLength;
    expect(bytes).toBe(LONG_BYTES);
    expect(sockets.size).toBe(2);
  });

  it("keeps what it has where new files cannot be used", async () => {
    const ca = await authority();
    const settings = await tlsFiles(ca, await member(ca, ["a.test"]));
    const links = await open(settings);
    const shown = links!.proof.kind === "tls" && links!.proof.certificates["tls.cert"];
    await writeFile(settings.tls.key, (await member(ca, ["a.test"])).key);
    await expect(links!.reread()).rejects.toThrow(
      `tls.cert: ${settings.tls.cert} with tls.key: ${settings.tls.key}: the key does not belong`,
    );
    expect(links!.proof.kind === "tls" && links!.proof.certificates["tls.cert"]).toBe(shown);
  });

  it("says which file cannot be used, and why", async () => {
    const [ca, foreign] = [await authority(), await authority("theirs")];
    const { tls } = await tlsFiles(ca, await member(ca, ["a.test"]));
    const refused = async (files: Partial<typeof tls>, why: string) =>
      expect(openLinks({ tls: { ...tls, ...files } }, log)).rejects.toThrow(why);
    await refused({ key: "/none" }, "tls.key: /none: no such file");
    await refused({ ca: tls.key }, `tls.ca: ${tls.key}: no certificate in PEM form`);
    await refused(
      { cert: tls.key },
      `tls.cert: ${tls.key} with tls.key: ${tls.key}: no certificate`,
    );
    const other = (await tlsFiles(foreign, await member(ca, ["a.test"]))).tls;
    await refused(
      other,
      `tls.cert: ${other.cert}: no authority in tls.ca: ${other.ca} has signed it`,
    );
    const server = (await tlsFiles(ca, await member(ca, ["a.test"], { client: false }))).tls;
    await refused(server, `tls.cert: ${server.cert}: its extended key usage lacks clientAuth`);
    await expect(openLinks({ tls, secretFile: "/x" }, log)).rejects.toThrow("exclude each other");
  });
});

describe("a shared secret", () => {
  const secret = randomBytes(32).toString("hex");
  async function secretFile(...secrets: string[]): Promise<{ secretFile: string }> {
    const path = join(await scratch(), "secret");
    await writeFile(path, `${secrets.join("\n")}\n`);
    return { secretFile: path };
  }

  it("lets in both clients of those who have it", async () => {
    const { url, place } = await server(await secretFile(secret));
    const http = await client(await secretFile(secret));
    expect((await http.text(`${url}/x?y=z`, { own: true })).text).toBe("GET ");
    const told = await http.text(`${url}/x`, { own: true, method: "POST", body: "hello" });
    expect(told.text).toBe("POST hello");
    expect(await plainFile(http, place)).toEqual(right);
  });

  it("keeps out all others, and tells them why; monitoring is let in", async () => {
    const { url, place, sockets } = await server(await secretFile(secret));
    const bare = await client();
    const without = await bare.text(`${url}/x`);
    expect(without).toMatchObject({ status: 401, text: expect.stringContaining("not signed") });
    expect((await plainFile(bare, place)).status).toBe(401);
    const wrong = await client(await secretFile(randomBytes(32).toString("hex")));
    const refused = await wrong.text(`${url}/x`, { own: true });
    expect(refused).toMatchObject({ status: 401, text: expect.stringContaining("another secret") });
    expect(sockets.size).toBe(0);
    for (const path of ["/metrics", "/healthz", "/readyz"])
      expect((await bare.text(url + path)).status).toBe(200);
    expect((await bare.text(`${url}/metrics`, { method: "POST" })).status).toBe(401);
  });

  it("refuses a change that is sent twice, and a request of long ago", async () => {
    const { url } = await server(await secretFile(secret));
    const bare = await client();
    const send = async (method: string, signature: string) =>
      bare.text(`${url}/x`, { method, headers: { "x-dragonfly-signature": signature } });
    const at = (nowMs: number, method = "DELETE") =>
      signatureOf(
        secret,
        { method, target: "/x" },
        { nowMs, nonce: randomBytes(12).toString("base64url") },
      );
    const once = at(Date.now());
    expect((await send("DELETE", once)).status).toBe(200);
    expect(await send("DELETE", once)).toMatchObject({
      status: 401,
      text: expect.stringContaining("somebody repeats it"),
    });
    expect(await send("GET", at(Date.now() - 90_000, "GET"))).toMatchObject({
      status: 401,
      text: expect.stringMatching(/90 s before this host's time.*are both clocks right/),
    });
  });

  it("changes when its file does: old and new are good meanwhile", async () => {
    const next = randomBytes(32).toString("hex");
    const settings = await secretFile(secret);
    const { url } = await server(settings);
    const [old, renewed] = [
      await client(await secretFile(secret)),
      await client(await secretFile(next, secret)),
    ];
    const status = async (http: HttpClient) => (await http.text(`${url}/x`, { own: true })).status;
    expect(await status(old)).toBe(200);
    expect(await status(renewed)).toBe(401);
    await writeFile(settings.secretFile, `${secret}\n${next}\n`);
    await expect.poll(() => status(renewed), { timeout: 5000 }).toBe(200);
    expect(await status(old)).toBe(200);
    // A file that cannot be used changes nothing.
    const links = await open(settings);
    await writeFile(settings.secretFile, "short\n");
    await expect(links!.reread()).rejects.toThrow(
      `secretFile: ${settings.secretFile}: expected a secret of 32 characters or more`,
    );
    expect(await status(renewed)).toBe(200);
  });
});
