import { networkInterfaces } from "node:os";
import { AddressRanges, plainAddress } from "./address_ranges.ts";

const LOOPBACK = new AddressRanges(["127.0.0.0/8", "::1"]);

/**
 * Whether a connection comes from this very host: by loopback, or from an address of its interfaces.
 *
 * @param remote the address it comes from
 * @param local the address it was made to
 */
export function isThisHost(remote: string, local?: string): boolean {
  if (remote === local || LOOPBACK.has(remote)) return true;
  const plain = plainAddress(remote);
  return Object.values(networkInterfaces()).some((list) =>
    list?.some(({ address }) => plainAddress(address) === plain),
  );
}
