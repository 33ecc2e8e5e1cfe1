import { connect } from "node:net";
import { networkInterfaces } from "node:os";

/**
 * The IPv4 address by which this host reaches `target`, as others will see it; where nothing answers
 * there, the first address that is not loopback.
 */
export async function ownAddress(
  target: { host: string; port: number } | undefined,
  timeoutMs = 400,
): Promise<string> {
  const seen = target && (await localAddress(target, timeoutMs));
  if (seen && /^\d+\.\d+\.\d+\.\d+$/.test(seen)) return seen;
  for (const addresses of Object.values(networkInterfaces())) {
    const outer = addresses?.find((address) => address.family === "IPv4" && !address.internal);
    if (outer) return outer.address;
  }
  return "127.0.0.1";
}

function localAddress(
  target: { host: string; port: number },
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: target.host, port: target.port, timeout: timeoutMs });
    const settle = (address: string | undefined) => {
      socket.destroy();
      resolve(address?.replace(/^::ffff:/, ""));
    };
    socket.once("connect", () => settle(socket.localAddress));
    socket.once("timeout", () => settle(undefined));
    socket.once("error", () => settle(undefined));
  });
}
