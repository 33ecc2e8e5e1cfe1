import { PEER_PORTS, type Reachable } from "../../protocol/control/messages.ts";
import { isThisHost } from "../../runtime/this_host.ts";
import type { SupernodeApi } from "../supernode_api.ts";
import type { Check, Finding } from "./check.ts";

const NAME = "peer port";

/** Whether other nodes can reach this one: a supernode tries it, from where it is. */
export const peerPort: Check = {
  name: NAME,
  patienceMs: 8000,
  async run({ supernodes, peer }) {
    if (peer.port < PEER_PORTS.first || peer.port > PEER_PORTS.last)
      return [
        {
          ...{
            name: NAME,
            state: "warn",
            says: "is any free one: it cannot be tried from outside",
          },
          todo: 'give it one that a firewall can let through: dfget_flags: ["--port", "15001"]',
        },
      ];
    const tried = await Promise.allSettled(
      supernodes.map(async (supernode): Promise<Finding> => {
        const name = `${NAME} ${peer.port}`;
        const { reachable, address, reason } = await askFrom(peer.ip, supernode, peer.port);
        if (reachable && (address === peer.ip || isLoopback(address)))
          return { name, state: "ok", says: `${supernode.name} reaches it at ${address}` };
        if (reachable)
          return {
            ...{ name, state: "warn" },
            says: `${supernode.name} reaches it at ${address}, but other nodes are told ${peer.ip}`,
            todo: `if these do not reach ${peer.ip} either, name an address of this host that they do: --ip in dfget_flags, or localIP`,
          };
        return {
          ...{ name, state: "fail", says: `${supernode.name} tried ${address}: ${reason}` },
          todo: `let other nodes reach ${peer.ip}:${peer.port} (firewall), and see that dfdaemon runs`,
        };
      }),
    );
    const answers = tried.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    if (answers.length > 0) return answers;
    const says = "no supernode could be asked to try it";
    return [{ name: NAME, state: "warn", says }];
  },
};

/** Asks by the address that is announced; where that is none of this host's, as behind a NAT, by any. */
function askFrom(ip: string, supernode: SupernodeApi, port: number): Promise<Reachable> {
  return isThisHost(ip) ? supernode.reachable(port, ip) : supernode.reachable(port);
}

/** On the supernode's own host. */
function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}
