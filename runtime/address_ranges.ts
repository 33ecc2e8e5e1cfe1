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
 * same in hexadecimal) as IPv4. No more than that: any other that has an IPv4 address in it may be somebody else's.
 */
export function plainAddress(address: string): string {
  const canonical = withoutZone(address);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  return mapped ? dotted(mapped[1]!, mapped[2]!) : canonical;
}

/**
 * The IPv4 address to which a gateway may take what is sent to this one: by NAT64 (RFC 6052), 6to4 (RFC 3056), or in
 * the forms of old translators (`::ffff:0:a.b.c.d`, RFC 2765; `::a.b.c.d`, RFC 4291 §2.5.5.1). Who is refused by
 * address is refused by these as well; nobody is let in by them.
 */
export function ipv4Behind(address: string): string | undefined {
  const canonical = withoutZone(address);
  const [, high, low = "0"] =
    /^(?:64:ff9b::|::ffff:0:|::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical) ??
    /^2002:([0-9a-f]{1,4}):([0-9a-f]{1,4})?:/.exec(canonical) ??
    [];
  return high === undefined ? undefined : dotted(high, low);
}

/** The URL parser writes every IPv6 address in one way. */
function withoutZone(address: string): string {
  const bare = address.split("%", 1)[0]!;
  return isIP(bare) === 6 ? new URL(`http://[${bare}]/`).hostname.slice(1, -1) : bare;
}

/** @param high the first two bytes of an IPv4 address in hexadecimal, `low` the others */
function dotted(high: string, low: string): string {
  return [high, low]
    .map((part) => Number.parseInt(part, 16))
    .flatMap((two) => [two >> 8, two & 255])
    .join(".");
}
