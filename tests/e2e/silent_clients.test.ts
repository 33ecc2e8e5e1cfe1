import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort, freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { REGISTRY_NAME, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";

/** What dfdaemon's limits are here, ms: a tunnel's (15 minutes), and a TLS handshake's (30 s). */
const LIMIT_MS = 1500;
/** The runtime's timers may be early by a little, ms. */
const EARLY_MS = 50;

describeWithPrograms("clients that fall silent", { programs: ["docker-registry"] }, () => {
  let scratch: Scratch;
  let node: Dfdaemon;

  beforeAll(async () => {
    scratch = await Scratch.open("silent-clients");
    node = await Dfdaemon.start(scratch, {
      supernodes: [`${freshAddress()}:8002`],
      registry: await Registry.start(scratch),
      authority: await Authority.create(scratch, "nodes"),
      preload: join(import.meta.dirname, "../support/short_limits.mjs"),
      env: {
        SHORT_LIMITS_OF: [15 * 60_000, 30_000].join(","),
        SHORT_LIMIT: String(LIMIT_MS),
      },
    });
  });
  afterAll(() => scratch?.close());

  /** A client that has been told that it is connected. */
  const connectTo = async (target: string): Promise<Socket> => {
    const socket = connect({ host: node.address, port: node.port });
    scratch.defer(() => void socket.destroy());
    socket.on("error", () => {});
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
    return socket;
  };

  /** Milliseconds until a connection is closed, from the other side. */
  const closed = async (socket: Socket, sinceMs: number): Promise<number> => {
    await once(socket.resume(), "close");
    return performance.now() - sinceMs;
  };

  it("in a blind tunnel are let go of after its limit, as is the host that they spoke to", async () => {
    const server = createServer((socket) => socket.pipe(socket));
    const port = await freePort("127.0.0.1");
    server.listen(port, "127.0.0.1");
    scratch.defer(() => void server.close());
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const client = await connectTo(`127.0.0.1:${port}`);
    const [host] = await accepted;
    client.write("hello");
    const [echo] = (await once(client, "data")) as [Buffer];
    const sinceMs = performance.now();
    expect(echo.toString()).toBe("hello");
    const hostClosed = once(host, "close");
    expect(await closed(client, sinceMs)).toBeGreaterThanOrEqual(LIMIT_MS - EARLY_MS);
    await hostClosed;
    expect(node.process.running).toBe(true);
  });

  it.each([
    ["say nothing", Buffer.alloc(0)],
    // A record's head, of a handshake of 512 bytes.
    ["stop in the middle", Buffer.from([22, 3, 1, 2, 0, 1])],
  ])("are let go of where TLS is to begin and they %s", async (_what, bytes) => {
    const client = await connectTo(`${REGISTRY_NAME}:443`);
    const sinceMs = performance.now();
    client.write(bytes);
    expect(await closed(client, sinceMs)).toBeGreaterThanOrEqual(LIMIT_MS - EARLY_MS);
    expect(node.process.running).toBe(true);
  });
});
