import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ORIGIN_NAME } from "../fuzz/origin.ts";
import { type Site, startSite } from "../fuzz/site.ts";
import { Scratch } from "../support/scratch.ts";

let scratch: Scratch;
let site: Site;
beforeAll(async () => {
  scratch = await Scratch.open("limits");
  site = await startSite(scratch);
}, 60_000);
afterAll(() => scratch?.close());

const tcp = async (host: string, port: number): Promise<Socket> => connect({ host, port });

/** TLS to the origin, as dfdaemon speaks it in its place. */
async function hijacked(): Promise<Duplex> {
  const { plain, origin, authority } = site;
  const socket = await tcp(plain.address, plain.port);
  socket.write(`CONNECT ${ORIGIN_NAME}:${origin.tlsPort} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await new Promise((resolve) => socket.once("data", resolve));
  const ca = authority.files.pair.cert;
  return tls.connect({ socket, servername: ORIGIN_NAME, ca });
}

/** Status of the answer to bytes that are sent as they are. */
async function statusOf(socket: Duplex, request: string): Promise<string | undefined> {
  let answer = "";
  socket.write(request);
  // A server may hang up before it has read all.
  socket.on("error", () => {});
  await new Promise<void>((resolve) => {
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.once("end", resolve);
    socket.once("close", resolve);
  });
  socket.destroy();
  return /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
}

interface Port {
  open: () => Promise<Duplex>;
  /** Longest body, bytes; dfdaemon hands on what is of any length. */
  maxBody?: number;
}

const PORTS: Record<string, Port> = {
  "the supernode": {
    open: () => tcp(site.supernode.address, site.supernode.port),
    maxBody: 16 * 1024 * 1024,
  },
  "the supernode's file port": {
    open: () => tcp(site.supernode.address, site.supernode.filePort),
    maxBody: 16 * 1024 * 1024,
  },
  dfdaemon: { open: () => tcp(site.plain.address, site.plain.port) },
  "a connection within CONNECT": { open: hijacked },
  "dfdaemon's peer server": {
    open: () => tcp(site.plain.address, site.plain.peerPort),
    maxBody: 64 * 1024,
  },
  "dfget's peer server": {
    open: () => tcp(site.dfget.address, site.dfget.port),
    maxBody: 64 * 1024,
  },
};

// What takes minutes or thousands of connections is tested with smaller limits: runtime/serve.test.ts.
describe.each(Object.entries(PORTS))("%s", (_, { open, maxBody }) => {
  const end = "Host: x\r\nConnection: close\r\n";

  it("takes headers of 64 KiB, and answers longer ones with 431", async () => {
    const get = (bytes: number) => `GET /healthz HTTP/1.1\r\n${end}X: ${"x".repeat(bytes)}\r\n\r\n`;
    expect(await statusOf(await open(), get(60 * 1024))).toMatch(/^(200|404)$/);
    expect(await statusOf(await open(), get(64 * 1024))).toBe("431");
  });

  it("takes a URL of 32 KiB, and answers a longer one with 414", async () => {
    const get = (bytes: number) =>
      `GET /healthz?${"x".repeat(bytes - "/healthz?".length)} HTTP/1.1\r\n${end}\r\n`;
    expect(await statusOf(await open(), get(32 * 1024))).toMatch(/^(200|404)$/);
    expect(await statusOf(await open(), get(32 * 1024 + 1))).toBe("414");
  });

  it.runIf(maxBody)("answers a body that is too long with 413", async () => {
    // Said, not sent: who refuses it does so at once.
    const post = (bytes: number) =>
      `POST /healthz HTTP/1.1\r\n${end}Content-Length: ${bytes}\r\n\r\n`;
    expect(await statusOf(await open(), post(maxBody!))).toMatch(/^40[45]$/);
    expect(await statusOf(await open(), post(maxBody! + 1))).toBe("413");
  });
});
