import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Gives the address of host 1…254 on a network of its own. */
export type LoopbackNetwork = (host: number) => string;

/** A network of loopback addresses, another one each time, so that two runs never meet. */
export function loopbackNetwork(): LoopbackNetwork {
  const prefix = `127.${randomInt(16, 240)}.${randomInt(0, 256)}`;
  return (host) => `${prefix}.${host}`;
}

/**
 * A free port on `address` for a program that will listen there. It lies where peers may serve
 * (protocol §2: 15000…65000) and below the ports that outgoing connections take.
 *
 * @throws {Error} when the address is not one of this machine's
 */
export async function freePort(address: string, butNot?: number): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    if (port !== butNot && (await canListen(address, port))) return port;
  }
}

function canListen(address: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") return resolve(false);
      const reason =
        error.code === "EADDRNOTAVAIL"
          ? "this machine does not answer there; the demo needs all of 127.0.0.0/8, as Linux has it"
          : error.message;
      reject(new Error(`cannot listen on ${address}: ${reason}`));
    });
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}
