import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type SecureContext, TLSSocket } from "node:tls";
import { holdBeneath } from "../runtime/hold_beneath.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Impersonator } from "./impersonate.ts";
import { type HijackRule, hijackRuleFor, type Rules } from "./rules.ts";
import { refuseConnect, tunnel } from "./tunnel.ts";

/** A client that does not get through its TLS handshake in this time is dropped. */
const HANDSHAKE_MS = 30_000;

/** The host that a hijacked connection's client believes to speak to. */
export interface Hijacked {
  /** As it stands in a URL: `host`, or `host:port` where that is not 443. */
  authority: string;
  rule: HijackRule;
}

/** Hijacked connections, by the decrypted socket. */
export type HijackedConnections = WeakMap<object, Hijacked>;

export interface ConnectOptions {
  rules: Rules;
  /** Absent: nothing is hijacked. */
  impersonator: Impersonator | undefined;
  hijacked: HijackedConnections;
  /** Takes a decrypted connection to serve its requests. */
  adopt: (socket: Duplex) => void;
  hostAliases: Readonly<Record<string, string>>;
  log: Logger;
}

/**
 * Takes CONNECT requests: where a rule names the host, answers 200 and speaks TLS in its name; else
 * opens a blind tunnel (protocol §5). Works the same on a connection that is itself TLS.
 */
export function createConnectHandler(options: ConnectOptions) {
  return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const target = parseAuthority(request.url ?? "");
    if (!target) {
      refuseConnect(socket, "400 Bad Request", "CONNECT takes host:port");
      return;
    }
    const rule = options.impersonator && hijackRuleFor(options.rules, request.url!);
    if (!rule) {
      tunnel(socket, head, target, options.hostAliases[target.host], options.log);
      return;
    }
    const context = options.impersonator!.contextFor(target.host);
    context.then(
      (secureContext) => {
        accept(socket, () => {
          const plain = decrypt(socket, head, secureContext);
          options.hijacked.set(plain, { authority: urlAuthority(target), rule });
          plain.once("secure", () => {
            holdBeneath(plain);
            options.adopt(plain);
          });
        });
      },
      (error: Error) => {
        // Without a certificate the client is still served, only not by p2p.
        options.log.error("cannot impersonate {host}, tunnelling instead: {error}", {
          host: target.host,
          error: error.message,
        });
        tunnel(socket, head, target, options.hostAliases[target.host], options.log);
      },
    );
  };
}

/** Says yes, and goes on once that is out: TLS must not begin on a connection that is being written to. */
function accept(socket: Duplex, begin: () => void): void {
  socket.on("error", () => {});
  socket.write("HTTP/1.1 200 Connection Established\r\n\r\n", (error) => {
    if (!error && !socket.destroyed) begin();
  });
}

function decrypt(socket: Duplex, head: Buffer, secureContext: SecureContext): TLSSocket {
  // A client in a hurry sends its first TLS record along with the request.
  if (head.length > 0) socket.unshift(head);
  // As a TLS server's own connections: one whose client says no more in the handshake is over.
  (socket as Partial<Socket>).allowHalfOpen = false;
  const plain = new TLSSocket(socket as Socket, {
    isServer: true,
    secureContext,
    ALPNProtocols: ["http/1.1"],
  });
  const timer = setTimeout(() => plain.destroy(), HANDSHAKE_MS);
  plain.once("secure", () => clearTimeout(timer));
  plain.on("error", () => plain.destroy());
  plain.once("close", () => {
    clearTimeout(timer);
    socket.destroy();
  });
  socket.once("close", () => plain.destroy());
  return plain;
}

/** Reads `host:port` or `[v6]:port`; `undefined` where malformed. */
export function parseAuthority(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/?#@[\]%]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (!match || port < 1 || port > 65535) return undefined;
  return { host: match[1] ?? match[2]!, port };
}

function urlAuthority({ host, port }: { host: string; port: number }): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return port === 443 ? name : `${name}:${port}`;
}
