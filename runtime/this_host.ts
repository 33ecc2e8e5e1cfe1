import { networkInterfaces } from "node:os";
import { AddressRanges, plainAddress } from "./address_ranges.ts";

const LOOPBACK = new AddressRanges(["127.0.0.0/8", "::1"]);

/** Whether a connection is let in, by the address that it comes from and the one that it was made to. */
export type Admits = (remote: string, local?: string) => boolean;

/**
 * Lets in this very host, and some others.
 *
 * @param ranges CIDR ranges of the others
 * @param isOwn whether an address is this host's own
 */
export function thisHostAnd(ranges: readonly string[], isOwn: Admits = isThisHost): Admits {
  const others = new AddressRanges(ranges);
  return (remote, local) => others.has(remote) || isOwn(remote, local);
}

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
