import { connect } from "node:net";
import { networkInterfaces } from "node:os";

/**
 * The IPv4 address by which this host reaches `host:port`, and so the one by which others on that
 * side reach it. Where nobody answers within `timeoutMs`: the first address that is not loopback,
 * else 127.0.0.1.
 */
export function localAddressTowards(host: string, port: number, timeoutMs = 1000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, family: 4 });
    const settle = (address: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(address);
    };
    const timer = setTimeout(() => settle(firstAddress()), timeoutMs);
    socket.once("connect", () => settle(socket.localAddress ?? firstAddress()));
    let towards = host;
    socket.once("lookup", (_error, address) => {
      towards = address || host;
    });
    socket.once("error", () => settle(towards.startsWith("127.") ? "127.0.0.1" : firstAddress()));
  });
}

/** The first IPv4 address of this host that is not loopback, else 127.0.0.1. */
export function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return (
    addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1"
  );
}
