import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { ORIGIN_NAME } from "../fuzz/origin.ts";
import type { Site } from "../fuzz/site.ts";

/** A port of ours, as the table of limits in docs/configuration.md has it. */
export interface Port {
  /** Where it listens. */
  place: (site: Site) => { host: string; port: number };
  /** Connects; default: by TCP to `place`. */
  open?: (site: Site) => Promise<Duplex>;
  /** Longest body, bytes; absent: any. */
  maxBody?: number;
  /**
   * What comes of a body that does not come: it is waited for (408), or nobody wants one (40x at once), or it is
   * handed on as it comes, however slowly.
   */
  bodies: "waited for" | "refused" | "handed on";
  /** Begins with TLS. */
  tls?: boolean;
}

const supernodeBody = 16 * 1024 * 1024;
const peerBody = 64 * 1024;
const plain = ({ plain }: Site) => ({ host: plain.address, port: plain.port });

export const PORTS: Record<string, Port> = {
  "the supernode": {
    place: ({ supernode }) => ({ host: supernode.address, port: supernode.port }),
    maxBody: supernodeBody,
    bodies: "waited for",
  },
  "the supernode's file port": {
    place: ({ supernode }) => ({ host: supernode.address, port: supernode.filePort }),
    maxBody: supernodeBody,
    bodies: "refused",
  },
  dfdaemon: { place: plain, bodies: "handed on" },
  "dfdaemon by TLS": {
    place: ({ secure }) => ({ host: secure.address, port: secure.port }),
    open: (site) => byTls(site, { host: site.secure.address, port: site.secure.port }),
    bodies: "handed on",
    tls: true,
  },
  "a connection within CONNECT": { place: plain, open: hijacked, bodies: "handed on" },
  "dfdaemon's peer server": {
    place: ({ plain: { address, peerPort } }) => ({ host: address, port: peerPort }),
    maxBody: peerBody,
    bodies: "refused",
  },
  "dfget's peer server": {
    place: ({ dfget }) => ({ host: dfget.address, port: dfget.port }),
    maxBody: peerBody,
    bodies: "refused",
  },
};

/** Opens a connection to a port as its clients do. */
export async function openPort(port: Port, site: Site): Promise<Duplex> {
  return port.open?.(site) ?? connect(port.place(site));
}

async function byTls(site: Site, place: { host: string; port: number }): Promise<Duplex> {
  return encrypted(site, connect(place));
}

/** Begins TLS with a dfdaemon, as one that trusts it. */
export function encrypted({ authority }: Site, socket: Socket): Duplex {
  const ca = authority.files.pair.cert;
  return tls.connect({ socket, servername: ORIGIN_NAME, ca });
}

/** TLS to the origin, as dfdaemon speaks it in its place. */
async function hijacked(site: Site): Promise<Duplex> {
  const socket = connect(plain(site));
  socket.write(`CONNECT ${ORIGIN_NAME}:${site.origin.tlsPort} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await new Promise((resolve) => socket.once("data", resolve));
  return encrypted(site, socket);
}
