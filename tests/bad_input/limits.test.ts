import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SERVE_LIMITS } from "../../runtime/serve.ts";
import { type Site, startSite } from "../fuzz/site.ts";
import { Scratch } from "../support/scratch.ts";
import { encrypted, openPort, PORTS } from "./ports.ts";

const { maxHeaderBytes, maxUrlBytes, maxConnectionsPerClient } = SERVE_LIMITS;

let scratch: Scratch;
let site: Site;
beforeAll(async () => {
  scratch = await Scratch.open("limits");
  site = await startSite(scratch);
});
afterAll(() => scratch?.close());

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

// What a client's silence leads to is in idle.test.ts.
describe.each(Object.entries(PORTS))("%s", (_, port) => {
  const { maxBody } = port;
  const end = "Host: x\r\nConnection: close\r\n";
  const open = () => openPort(port, site);

  it("takes headers of 64 KiB, and answers longer ones with 431", async () => {
    const get = (bytes: number) => `GET /healthz HTTP/1.1\r\n${end}X: ${"x".repeat(bytes)}\r\n\r\n`;
    expect(await statusOf(await open(), get(maxHeaderBytes - 4096))).toMatch(/^(200|404)$/);
    expect(await statusOf(await open(), get(maxHeaderBytes))).toBe("431");
  });

  it("takes a URL of 32 KiB, and answers a longer one with 414", async () => {
    const get = (bytes: number) =>
      `GET /healthz?${"x".repeat(bytes - "/healthz?".length)} HTTP/1.1\r\n${end}\r\n`;
    expect(await statusOf(await open(), get(maxUrlBytes))).toMatch(/^(200|404)$/);
    expect(await statusOf(await open(), get(maxUrlBytes + 1))).toBe("414");
  });

  it.runIf(maxBody)("answers a body that is too long with 413", async () => {
    // Said, not sent: who refuses it does so at once.
    const post = (bytes: number) =>
      `POST /healthz HTTP/1.1\r\n${end}Content-Length: ${bytes}\r\n\r\n`;
    expect(await statusOf(await open(), post(maxBody!))).toMatch(/^40[45]$/);
    expect(await statusOf(await open(), post(maxBody! + 1))).toBe("413");
  });
});

// Within CONNECT a connection is the one that it came by.
const listening = Object.entries(PORTS).filter(([name]) => name !== "a connection within CONNECT");

it.each(listening)(
  "%s takes 4096 connections of one address, cuts what comes beyond, and answers others",
  async (_, { place, tls }) => {
    const { host, port } = place(site);
    const sockets: Socket[] = [];
    const from = (localAddress: string) => {
      const socket = connect({ host, port, localAddress });
      socket.on("error", () => {});
      sockets.push(socket);
      return socket;
    };
    const greedy = "127.9.9.9";
    /** Whether one from this address is let in: who asks is answered. */
    const isAnswered = (localAddress: string) => {
      const socket = from(localAddress);
      const asks = tls ? encrypted(site, socket) : socket;
      asks.on("error", () => {});
      asks.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
      return new Promise<boolean>((resolve) => {
        asks.once("data", () => resolve(true));
        socket.once("close", () => resolve(false));
      });
    };
    try {
      // Some at a time: what does not fit into the queue of the listening socket waits for seconds.
      while (sockets.length < maxConnectionsPerClient) {
        const some = Array.from({ length: 256 }, () => from(greedy));
        await Promise.all(some.map((socket) => once(socket, "connect")));
      }
      const many = [...sockets];
      expect(many).toHaveLength(maxConnectionsPerClient);
      expect(await isAnswered(greedy)).toBe(false);
      expect(await isAnswered("127.9.9.10")).toBe(true);
      expect(many.filter((socket) => socket.destroyed)).toEqual([]);
      // One that leaves makes room.
      many[0]!.destroy();
      await expect.poll(() => isAnswered(greedy), { timeout: 30_000 }).toBe(true);
    } finally {
      // Closed as usual they would keep their ports, and the next ones would search long for free ones.
      for (const socket of sockets) socket.resetAndDestroy();
    }
  },
);
