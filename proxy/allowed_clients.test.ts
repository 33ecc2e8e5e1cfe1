import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, it } from "vitest";
import { getLogger } from "../runtime/logger.ts";
import { type RunningServer, serve } from "../runtime/serve.ts";
import { onlyAllowedClients } from "./allowed_clients.ts";
import { tunnel } from "./tunnel.ts";

const running: RunningServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

/** A server behind the door; without `isOwn` this host's addresses count as anybody's. */
async function start(ranges: string[], hostname = "127.0.0.1", isOwn?: "real") {
  const said: string[] = [];
  const refusals = { say: (from?: string, why?: string) => said.push(`${from}: ${why}`) };
  const server = await serve({
    fetch: () => new Response("inside"),
    hostname,
    port: 0,
    ...onlyAllowedClients(
      { ranges, hijacked: new WeakMap(), refusals, ...(isOwn ? {} : { isOwn: () => false }) },
      {
        onRequest: () => false,
        onConnect: (_request, socket, head) =>
          tunnel(socket, head, { host: "127.0.0.1", port: server.port }, undefined, getLogger("x")),
      },
    ),
  });
  running.push(server);
  return { port: server.port, said };
}

function firstLine(port: number, text: string, host = "127.0.0.1"): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => socket.write(text));
    socket.once("data", (chunk) => {
      socket.destroy();
      resolve(chunk.toString().split("\r\n")[0]!);
    });
    socket.once("error", reject);
  });
}

const HOST = "Host: x\r\n\r\n";
const USES = {
  "a mirrored path": `GET /v2/a/blobs/x HTTP/1.1\r\n${HOST}`,
  "a URL to proxy": `GET http://registry/v2/ HTTP/1.1\r\n${HOST}`,
  "a URL to proxy whose path is an open one": `GET http://registry/metrics HTTP/1.1\r\n${HOST}`,
  "an endpoint that is not for all": `GET /env HTTP/1.1\r\n${HOST}`,
  CONNECT: `CONNECT registry:443 HTTP/1.1\r\n${HOST}`,
};

describe.each(Object.entries(USES))("%s", (_what, request) => {
  it("is refused to strangers", async () => {
    const { port, said } = await start(["10.0.0.0/8", "::1"]);
    expect(await firstLine(port, request)).toBe("HTTP/1.1 403 Forbidden");
    expect(said).toEqual(["127.0.0.1: it is not among allowedClients (403)"]);
  });

  it("is given to allowedClients", async () => {
    const { port } = await start(["10.0.0.0/8", "127.0.0.0/8"]);
    expect(await firstLine(port, request)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("is given to this host, by whatever address", async () => {
    const { port } = await start([], "0.0.0.0", "real");
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    for (const { address, family } of addresses) {
      if (family !== "IPv4") continue;
      expect(await firstLine(port, request, address)).toMatch(/^HTTP\/1\.1 200 /);
    }
  });
});

it.each(["/metrics", "/healthz", "/readyz", "/metrics?a=b"])(
  "gives %s to anybody",
  async (path) => {
    const { port } = await start([]);
    expect(await firstLine(port, `GET ${path} HTTP/1.1\r\n${HOST}`)).toBe("HTTP/1.1 200 OK");
  },
);
