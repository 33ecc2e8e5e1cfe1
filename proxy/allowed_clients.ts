import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { plainAddress } from "../runtime/address_ranges.ts";
import type { Refusals } from "../runtime/links/refusals.ts";
import type { ServeOptions } from "../runtime/serve.ts";
import { type Admits, thisHostAnd } from "../runtime/this_host.ts";
import type { HijackedConnections } from "./connect.ts";
import { answerText } from "./headers.ts";
import { refuseConnect } from "./tunnel.ts";

/** What anybody may ask for: monitoring comes from elsewhere. */
const OPEN_PATHS = ["/healthz", "/metrics", "/readyz"];

export interface AllowedClientsOptions {
  /** CIDR ranges besides this host's own addresses. */
  ranges: readonly string[];
  hijacked: HijackedConnections;
  /** Has it in the log: engines show no more of it than the number. */
  refusals: Pick<Refusals, "say">;
  /** Whether an address is this host's own. Default: loopback, and the addresses of its interfaces. */
  isOwn?: Admits;
}

type Handlers = Required<Pick<ServeOptions, "onRequest" | "onConnect">>;

/**
 * Puts a door before dfdaemon's handlers: only this host and `allowedClients` get through, everybody else
 * is told 403, but for health and metrics. A proxy that is open to a network would fetch for anybody what
 * only this node may reach.
 */
export function onlyAllowedClients(
  { ranges, hijacked, refusals, isOwn }: AllowedClientsOptions,
  handlers: Handlers,
): Handlers {
  const admits = thisHostAnd(ranges, isOwn);
  const isAllowed = (incoming: IncomingMessage) => {
    // Who has got through a CONNECT has passed before.
    if (hijacked.has(incoming.socket)) return true;
    const { remoteAddress = "", localAddress } = incoming.socket;
    return admits(remoteAddress, localAddress);
  };
  const refusalOf = ({ socket }: IncomingMessage): string => {
    const address = plainAddress(socket.remoteAddress ?? "");
    refusals.say(address, "it is not among allowedClients (403)", performance.now());
    return `${address} is not among this node's allowedClients`;
  };
  return {
    onRequest(incoming: IncomingMessage, outgoing: ServerResponse) {
      if (isAllowed(incoming) || OPEN_PATHS.includes((incoming.url ?? "").split("?", 1)[0]!))
        return handlers.onRequest(incoming, outgoing);
      outgoing.on("error", () => {});
      incoming.resume();
      answerText(outgoing, 403, refusalOf(incoming));
      return true;
    },
    onConnect(request: IncomingMessage, socket: Duplex, head: Buffer) {
      if (isAllowed(request)) handlers.onConnect(request, socket, head);
      else refuseConnect(socket, "403 Forbidden", refusalOf(request));
    },
  };
}
