import { BlockList, isIP } from "node:net";

/** Ranges of IP addresses, in CIDR form. */
export class AddressRanges {
  readonly #list = new BlockList();

  /**
   * @param ranges `10.0.0.0/8`, `fd00::/8`, or single addresses
   * @throws {RangeError} naming the one that is none
   */
  constructor(ranges: Iterable<string>) {
    for (const range of ranges) {
      const [, address = "", bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(range) ?? [];
      const version = isIP(address);
      const most = version === 4 ? 32 : 128;
      if (!version || Number(bits ?? most) > most)
        throw new RangeError(`${JSON.stringify(range)} is no address range such as 10.0.0.0/8`);
      this.#list.addSubnet(address, Number(bits ?? most), version === 4 ? "ipv4" : "ipv6");
    }
  }

  /** Whether an address lies in one of the ranges; `::ffff:10.0.0.1` counts as 10.0.0.1. */
  has(address: string): boolean {
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && this.#list.check(plain, version === 4 ? "ipv4" : "ipv6");
  }
}

/** Whether {@link AddressRanges} takes it. */
export function isAddressRange(text: string): boolean {
  try {
    return new AddressRanges([text]) !== undefined;
  } catch {
    return false;
  }
}

/**
 * An address without its zone (`%eth0`), and an IPv4 one that is written as IPv6 (`::ffff:a.b.c.d`, or the
 * same in hexadecimal, or by NAT64) as IPv4.
 */
export function plainAddress(address: string): string {
  const bare = address.split("%", 1)[0]!;
  if (isIP(bare) !== 6) return bare;
  // The URL parser writes every IPv6 address in one way.
  const canonical = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const mapped = /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (!mapped) return canonical;
  const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
