import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { plainAddress } from "../runtime/address_ranges.ts";
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
  { ranges, hijacked, isOwn }: AllowedClientsOptions,
  handlers: Handlers,
): Handlers {
  const admits = thisHostAnd(ranges, isOwn);
  const isAllowed = (incoming: IncomingMessage) => {
    // Who has got through a CONNECT has passed before.
    if (hijacked.has(incoming.socket)) return true;
    const { remoteAddress = "", localAddress } = incoming.socket;
    return admits(remoteAddress, localAddress);
  };
  return {
    onRequest(incoming: IncomingMessage, outgoing: ServerResponse) {
      if (isAllowed(incoming) || OPEN_PATHS.includes((incoming.url ?? "").split("?", 1)[0]!))
        return handlers.onRequest(incoming, outgoing);
      outgoing.on("error", () => {});
      incoming.resume();
      answerText(outgoing, 403, reasonFor(incoming));
      return true;
    },
    onConnect(request: IncomingMessage, socket: Duplex, head: Buffer) {
      if (isAllowed(request)) handlers.onConnect(request, socket, head);
      else refuseConnect(socket, "403 Forbidden", reasonFor(request));
    },
  };
}

function reasonFor({ socket }: IncomingMessage): string {
  return `${plainAddress(socket.remoteAddress ?? "")} is not among this node's allowedClients`;
}
