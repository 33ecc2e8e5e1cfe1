import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SERVE_LIMITS } from "../../runtime/serve.ts";
import { type Site, startSite } from "../fuzz/site.ts";
import { freshAddress } from "../support/addresses.ts";
import { Scratch } from "../support/scratch.ts";
import { openPort, PORTS } from "./ports.ts";

/** So many times as soon as in earnest our programs' servers lose their patience. */
const IMPATIENCE = 60;
const { headersTimeoutMs, requestTimeoutMs, keepAliveMs, idleTimeoutMs } = SERVE_LIMITS;

/** What came on a connection until the other side had closed it, and how long that took, ms as in earnest. */
async function untilClosed(socket: Duplex, sent: string) {
  const sinceMs = performance.now();
  let answer = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  if (sent) socket.write(sent);
  await new Promise<void>((resolve) => {
    socket.once("end", resolve);
    socket.once("close", resolve);
  });
  socket.destroy();
  const statuses = [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => status);
  return { statuses, afterMs: (performance.now() - sinceMs) * IMPATIENCE };
}

describe.concurrent("a client that says no more", () => {
  let scratch: Scratch;
  let site: Site;
  beforeAll(async () => {
    scratch = await Scratch.open("idle");
    site = await startSite(scratch, {
      env: { IMPATIENCE: String(IMPATIENCE) },
      preload: join(import.meta.dirname, "impatient_servers.mjs"),
    });
  });
  afterAll(() => scratch?.close());

  // Half of each time: timers of two processes differ by a little.
  describe.each(Object.entries(PORTS))("to %s", (_, port) => {
    const head = "Host: x\r\n";
    const open = () => openPort(port, site);

    it.concurrent("before its request: 408 after a minute", async () => {
      const { statuses, afterMs } = await untilClosed(await open(), "");
      expect(statuses).toEqual(["408"]);
      expect(afterMs).toBeGreaterThan(headersTimeoutMs / 2);
    });

    it.concurrent("within the head of its request: 408 after a minute", async () => {
      const sent = `GET /healthz HTTP/1.1\r\n${head}X: y`;
      const { statuses, afterMs } = await untilClosed(await open(), sent);
      expect(statuses).toEqual(["408"]);
      expect(afterMs).toBeGreaterThan(headersTimeoutMs / 2);
    });

    const isWanted = port.bodies === "waited for";
    // What is handed on is below.
    if (port.bodies !== "handed on")
      it.concurrent(
        isWanted
          ? "within the body of its request: 408 after two minutes"
          : "within a body that nobody wants: closed once that is said",
        async () => {
          const { statuses, afterMs } = await untilClosed(await open(), post("/peer/registry"));
          expect(statuses).toEqual([isWanted ? "408" : "404"]);
          if (isWanted) expect(afterMs).toBeGreaterThan(requestTimeoutMs / 2);
        },
      );

    it.concurrent("after an answer: closed after 75 s", async () => {
      const sent = `GET /healthz HTTP/1.1\r\n${head}\r\n`;
      const { statuses, afterMs } = await untilClosed(await open(), sent);
      expect(statuses).toHaveLength(1);
      expect(statuses[0]).toMatch(/^(200|404)$/);
      expect(afterMs).toBeGreaterThan(keepAliveMs / 2);
    });
  });

  it.concurrent("within TLS's handshake: cut after a minute", async () => {
    const { address: host, port } = site.secure;
    const { statuses, afterMs } = await untilClosed(connect({ host, port }), "");
    expect(statuses).toEqual([]);
    expect(afterMs).toBeGreaterThan(headersTimeoutMs / 2);
  });

  it.concurrent("within what it pushes through dfdaemon: cut after fifteen minutes", async () => {
    // Who is pushed to has not got it all, and waits as well.
    const waiting = createServer().listen(0, freshAddress());
    await once(waiting, "listening");
    const { address, port } = waiting.address() as AddressInfo;
    const sent = post(`http://${address}:${port}/pushed`);
    const { statuses, afterMs } = await untilClosed(await openPort(PORTS.dfdaemon!, site), sent);
    waiting.close();
    expect(statuses).toEqual([]);
    expect(afterMs).toBeGreaterThan(idleTimeoutMs / 2);
  });
});

/** The beginning of a request that is to bring more. */
function post(target: string): string {
  return `POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{`;
}
