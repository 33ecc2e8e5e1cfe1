import { connect } from "node:net";
import { networkInterfaces } from "node:os";

/** An address of this host. */
export interface LocalAddress {
  address: string;
  /** Whether a connection went by it; else it is a guess, which may be better founded later. */
  isSure: boolean;
}

/**
 * The IPv4 address by which this host reaches `host:port`, and so the one by which others on that
 * side reach it. Where nobody answers within `timeoutMs`: the first address that is not loopback,
 * else 127.0.0.1.
 */
export function localAddressTowards(
  host: string,
  port: number,
  timeoutMs = 1000,
): Promise<LocalAddress> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, family: 4 });
    const settle = (address: string | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ address: address ?? firstAddress(), isSure: address !== undefined });
    };
    const timer = setTimeout(() => settle(undefined), timeoutMs);
    socket.once("connect", () => settle(socket.localAddress));
    let towards = host;
    socket.once("lookup", (_error, address) => {
      towards = address || host;
    });
    socket.once("error", () => settle(towards.startsWith("127.") ? "127.0.0.1" : undefined));
  });
}

/** The first IPv4 address of this host that is not loopback, else 127.0.0.1. */
export function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return (
    addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1"
  );
}

/** Whether an address is one of this host's now. All of 127.0.0.0/8 is. */
export function isLocalAddress(address: string): boolean {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return address.startsWith("127.") || all.some((one) => one.address === address);
}
