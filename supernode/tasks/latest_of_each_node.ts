import type { Client } from "./task.ts";

/**
 * Of several downloads of one file by the same node the one that registered last, which is where the node is: one
 * that is started anew registers again for what it holds, and an earlier download of it is known until it expires.
 * Who serves nothing has no port by which two downloads could be told to be of one node.
 *
 * @param clients of one file, in the order in which they registered
 */
export function latestOfEachNode(clients: Iterable<Client>): Client[] {
  const latest = new Map<string, Client>();
  for (const client of clients) {
    const { cid, ip, port } = client;
    latest.set(port === 0 ? cid : `${ip}:${port}`, client);
  }
  return [...latest.values()];
}
