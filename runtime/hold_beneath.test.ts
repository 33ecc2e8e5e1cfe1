import { execFile } from "node:child_process";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { createAuthority } from "./certificates.ts";
import { bundleForBoth, RUNTIMES } from "./testing/both_runtimes.ts";

const CHUNK = Buffer.alloc(1_000_000);
const CHUNKS = 100;
/** What the system holds for both sides, at most, and what the connection has read before it was to pause. */
const ON_THE_WAY = 30_000_000;

/** A server that sends 100 MB by TLS, as fast as they are taken, and says how much of it has gone. */
async function sending() {
  const certificate = await createAuthority({ commonName: "test", days: 1, nowMs: Date.now() });
  let sent = 0;
  const server = createServer(certificate, (_request, response) => {
    const send = () => {
      if (sent === CHUNKS * CHUNK.byteLength) return void response.end();
      response.write(CHUNK, () => {
        sent += CHUNK.byteLength;
        send();
      });
    };
    send();
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `https://127.0.0.1:${port}/`, sent: () => sent };
}

// Both, whatever the others run on: the runtimes differ in this.
it.each([
  ["node", "by reader"],
  ["node", "by request"],
  ["deno", "by reader"],
  ["deno", "by request"],
] as const)(
  "on %s who reads %s gets nothing while he pauses, nor has it pile up",
  async (runtime, way) => {
    const program = await bundleForBoth("slow_reader");
    const server = await sending();
    const [command, ...args] = RUNTIMES[runtime];
    const { stdout } = await promisify(execFile)(command!, [...args, program, way, server.url]);
    const { got, whilePaused } = JSON.parse(stdout);
    // Some records may have been read before it was to pause, and are deciphered then.
    expect(whilePaused).toBeLessThan(1_000_000);
    expect(server.sent() - got).toBeLessThan(ON_THE_WAY);
  },
);
