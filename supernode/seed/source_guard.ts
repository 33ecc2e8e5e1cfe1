import { AddressRanges, ipv4Behind } from "../../runtime/address_ranges.ts";
import type { RequestGuard } from "../../runtime/request_guard.ts";

/**
 * Addresses that no source has: link-local ones (RFC 3927, RFC 4291 §2.5.6), at which clouds give their
 * machines credentials, and the one at which Amazon's does so by IPv6.
 */
const LINK_LOCAL = new AddressRanges(["169.254.0.0/16", "fe80::/10", "fd00:ec2::254"]);

const PATTERN = /^(?:(https?):\/\/)?([\w.*-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}|\*))?$/i;

/** A site that the supernode may fetch from, as `allowedSources` names it. */
export interface SourcePattern {
  protocol: string | undefined;
  host: RegExp;
  /** Empty: the scheme's own; `*`: any. */
  port: string;
}

/**
 * Reads `[http[s]://]host[:port]`: `*` in the host stands for any characters, `:*` for any port; without a
 * port it is the scheme's own. `undefined` where malformed.
 */
export function parseSourcePattern(text: string): SourcePattern | undefined {
  const [, protocol, host, port = ""] = PATTERN.exec(text) ?? [];
  if (!host) return undefined;
  const escaped = host.replace(/[.[\]]/g, "\\$&").replaceAll("*", ".*");
  return {
    protocol: protocol && `${protocol.toLowerCase()}:`,
    host: new RegExp(`^${escaped}$`, "i"),
    port,
  };
}

/**
 * Whom the supernode may ask in its clients' name: nobody link-local, whatever name or redirect leads
 * there; and once there are patterns, only the sites that they name, redirects and token servers included.
 *
 * @param patterns as {@link parseSourcePattern} takes them; none: any site
 */
export function sourceGuard(patterns: readonly string[]): RequestGuard {
  const allowed = patterns.flatMap((text) => parseSourcePattern(text) ?? []);
  return {
    refuseUrl(url) {
      if (patterns.length === 0 || allowed.some((pattern) => fits(pattern, url))) return undefined;
      return `${url.host} is not among this supernode's allowedSources`;
    },
    refuseAddress: (address) =>
      LINK_LOCAL.has(address) || LINK_LOCAL.has(ipv4Behind(address) ?? "")
        ? `${address} is a link-local address, from which this supernode fetches nothing`
        : undefined,
  };
}

function fits({ protocol, host, port }: SourcePattern, url: URL): boolean {
  if (protocol && protocol !== url.protocol) return false;
  return host.test(url.hostname) && (port === "*" || portOf(url) === (port || usualPort(url)));
}

function portOf(url: URL): string {
  return url.port || usualPort(url);
}

function usualPort({ protocol }: URL): string {
  return protocol === "https:" ? "443" : "80";
}
