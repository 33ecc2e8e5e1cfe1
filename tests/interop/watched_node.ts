import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Scratch } from "../support/scratch.ts";
import type { AnySupernode } from "./supernode.ts";

/** A way to a supernode on which is written down who got which piece from whom. */
export interface WatchedNode {
  /** `address:port`, as `--node` takes it: the supernode's own address, another port. */
  node: string;
  /** How many clients have registered. */
  registrations(): number;
  /** Addresses of the peers that a client at `address` has got pieces from, by the client's own word. */
  servers(address: string): Set<string>;
}

/** Puts a proxy before a supernode that hands everything on as it is. */
export async function watch(scratch: Scratch, supernode: AnySupernode): Promise<WatchedNode> {
  const reports: { client: string; server: string }[] = [];
  let registrations = 0;
  const note = (incoming: IncomingMessage) => {
    const { pathname, searchParams } = new URL(incoming.url ?? "/", "http://x");
    if (pathname === "/peer/registry") registrations += 1;
    if (pathname !== "/peer/piece/suc") return;
    const [client, server] = [searchParams.get("cid"), searchParams.get("dstCid")];
    if (client && server) reports.push({ client, server });
  };
  const proxy = createServer((incoming, outgoing) => {
    note(incoming);
    const { method, url, headers } = incoming;
    const onward = httpRequest(
      { host: supernode.address, port: supernode.port, method, path: url, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, supernode.address, resolve));
  scratch.defer(() => {
    proxy.close();
    proxy.closeAllConnections();
  });
  return {
    node: `${supernode.address}:${(proxy.address() as AddressInfo).port}`,
    registrations: () => registrations,
    servers: (address) =>
      new Set(
        reports
          .filter(({ client }) => client.startsWith(`${address}-`))
          // `<ip>-<sign>`, or the supernode's `cdnnode:<ip>~<task>`.
          .map(({ server }) => (server.startsWith("cdnnode:") ? server : server.split("-")[0]!)),
      ),
  };
}
