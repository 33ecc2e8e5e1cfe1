import { HttpClient } from "../../runtime/http_client.ts";

/** File bytes that reached a node, by where they came from. */
export interface BytesByOrigin {
  peer: number;
  supernode: number;
  registry: number;
  cache: number;
}

const LINE = /^dragonfly_dfdaemon_bytes_total\{[^}]*\borigin="(\w+)"[^}]*\} (\S+)/gm;

/** Reads `dragonfly_dfdaemon_bytes_total` from what a dfdaemon's `/metrics` says. */
export function parseBytes(metrics: string): BytesByOrigin {
  const bytes: BytesByOrigin = { peer: 0, supernode: 0, registry: 0, cache: 0 };
  for (const [, origin, value] of metrics.matchAll(LINE)) {
    if (origin! in bytes) bytes[origin as keyof BytesByOrigin] += Number(value);
  }
  return bytes;
}

/**
 * Asks a dfdaemon how many bytes it got from where.
 *
 * @throws {HttpError} when it does not answer
 */
export async function readBytes(node: { address: string; port: number }): Promise<BytesByOrigin> {
  const http = new HttpClient();
  try {
    const { text } = await http.text(`http://${node.address}:${node.port}/metrics`);
    return parseBytes(text);
  } finally {
    http.close();
  }
}
