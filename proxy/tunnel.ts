import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { hangUp } from "../runtime/hang_up.ts";
import type { Logger } from "../runtime/logger.ts";
import { Relay } from "./relay.ts";

/** As long as Go's dialer, which clients without a proxy use, waits for a connection. */
const CONNECT_TIMEOUT_MS = 30_000;
/** A tunnel through which nothing has come for so long is given up. */
const IDLE_MS = 15 * 60_000;

export interface TunnelTarget {
  /** Name or address, no brackets. */
  host: string;
  port: number;
}

/**
 * Joins a client that sent CONNECT to the host it wants, blindly: 200 once connected, 502 with the
 * reason where that fails; each direction ends by itself, and an error in one ends both.
 *
 * @param head what the client has sent after its request
 * @param address where to connect instead of asking the resolver for `target.host`
 */
export function tunnel(
  client: Duplex,
  head: Buffer,
  target: TunnelTarget,
  address: string | undefined,
  log: Logger,
): void {
  const relay = new Relay(client, () => upstream.resume());
  const upstream = connect({
    host: address ?? target.host,
    port: target.port,
    allowHalfOpen: true,
    keepAlive: true,
    noDelay: true,
    onread: relay.onread,
  });
  upstream.once("close", () => relay.close());
  const refuse = (reason: string) => {
    log.info("CONNECT {host}:{port}: {reason}", { ...target, reason });
    upstream.destroy();
    refuseConnect(client, "502 Bad Gateway", `cannot connect to ${target.host}: ${reason}`);
  };
  const late = () => refuse(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`);
  const timer = setTimeout(late, CONNECT_TIMEOUT_MS);
  const failed = (error: Error) => refuse(describe(error));
  upstream.once("error", failed);
  // The client may give up while we connect.
  client.on("error", () => {});
  client.once("close", () => {
    clearTimeout(timer);
    upstream.destroy();
  });
  upstream.once("connect", () => {
    clearTimeout(timer);
    upstream.off("error", failed);
    client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    if (head.length > 0) upstream.write(head);
    join(client, upstream);
  });
}

/** Answers a CONNECT request with an error, and hangs up. */
export function refuseConnect(client: Duplex, status: string, text: string): void {
  const body = `dfdaemon: ${text}\n`;
  hangUp(
    client,
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function join(client: Duplex, upstream: Socket): void {
  upstream.on("error", () => client.destroy());
  client.on("error", () => upstream.destroy());
  upstream.once("close", () => {
    // What came before the end is still to be flushed to the client.
    if (upstream.readableEnded) client.end();
    else client.destroy();
  });
  upstream.setTimeout(IDLE_MS, () => {
    upstream.destroy();
    client.destroy();
  });
  upstream.once("end", () => client.end());
  client.pipe(upstream);
}

function describe(error: Error): string {
  const [first] = error instanceof AggregateError ? (error.errors as Error[]) : [];
  return error.message || first?.message || (error as NodeJS.ErrnoException).code || error.name;
}
