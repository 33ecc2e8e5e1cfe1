import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** A host that a program is put on: one of a network made by the test. */
export interface Place {
  address: string;
  /** What goes before a command so that it runs there. */
  prefix: readonly string[];
}

/**
 * Left alone: the ports of the programs under test as people run them, where somebody may be, and those
 * of the recorded exchanges (`tests/conformance/`).
 */
const WELL_KNOWN = new Set([8001, 8002, 15001, 65001, 18080, 18090, 28001, 28002]);

const given = new Set<string>();

/**
 * A loopback address nobody else uses: each node of a test has its own, as it would have on a
 * network. Linux answers on all of 127.0.0.0/8 without setting anything up.
 */
export function freshAddress(): string {
  for (;;) {
    const address = `127.${randomInt(16, 240)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
    if (given.has(address)) continue;
    given.add(address);
    return address;
  }
}

/**
 * A free port on `address` on which a peer may serve (protocol §2: 15000…65000). It lies below
 * Linux's ephemeral ports, so that no outgoing connection takes it before it is used.
 */
export async function freePort(address: string): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(15_000, 32_000);
    const key = `${address}:${port}`;
    if (WELL_KNOWN.has(port) || given.has(key) || !(await canListen(address, port))) continue;
    given.add(key);
    return port;
  }
  throw new Error(`no free port on ${address}`);
}

/** Whether this process could listen there now. */
export function canListen(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}
