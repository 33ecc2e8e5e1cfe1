import { blobDigest } from "../protocol/digest.ts";
import type { TlsTrust } from "../runtime/tls_trust.ts";

/** Whom to impersonate, and how to trust the real one (`hijack_https.hosts`). */
export interface HijackRule {
  /** Looked for in `host:port`. */
  pattern: RegExp;
  trust: TlsTrust;
}

/** What becomes of a proxied GET (`proxies`). */
export interface UrlRule {
  /** Looked for in the full URL. */
  pattern: RegExp;
  useHttps: boolean;
  direct: boolean;
  /** `host[:port]` to ask instead; empty: the URL's own. */
  redirect: string;
}

/** The registry behind dfdaemon's own address (`registry_mirror`). */
export interface MirrorRule {
  remote: URL;
  /** Absent: as the remote's hijack rule says, or the system's authorities. */
  trust: TlsTrust | undefined;
  direct: boolean;
}

export interface Rules {
  hijack: readonly HijackRule[];
  urls: readonly UrlRule[];
  mirror: MirrorRule;
}

/** Where a request goes, and which way its answer comes. */
export interface Decision {
  way: "p2p" | "direct";
  url: string;
  /** `undefined`: the system's authorities. */
  trust: TlsTrust | undefined;
}

/** v1's test of what the mirror fetches by p2p (protocol §5). */
const MIRRORED_BLOB = /^.+\/blobs\/sha256.*$/;
/** What a registry answers differently from one time or client to the next. */
const REGISTRY_API =
  /\/v2\/(?:$|_catalog$|token$|.+\/(?:manifests|tags|referrers|blobs\/uploads)(?:\/|$))|\/v2$/;

/** The rule by which a CONNECT to `authority` (`host:port`) is hijacked; none: a blind tunnel. */
export function hijackRuleFor(rules: Rules, authority: string): HijackRule | undefined {
  return rules.hijack.find((rule) => rule.pattern.test(authority));
}

/**
 * What becomes of a request by a proxy client, hijacked or in the clear: the first rule that matches
 * the URL of a GET says; all else goes straight (protocol §5).
 *
 * @param url absolute
 * @param hijacked the rule by which its connection was hijacked
 */
export function decideProxied(
  rules: Rules,
  method: string,
  url: string,
  hijacked?: HijackRule,
): Decision {
  const rule = method === "GET" ? rules.urls.find(({ pattern }) => pattern.test(url)) : undefined;
  const target = rule ? rewrite(url, rule) : url;
  return {
    way: rule && !rule.direct && mayShare(target) ? "p2p" : "direct",
    url: target,
    // A request sent to another host is no longer covered by the rule of its connection.
    trust: hijacked && !rule?.redirect ? hijacked.trust : trustIn(rules, target),
  };
}

/** What becomes of a request to the mirror, of which `upstream` is the URL at the registry. */
export function decideMirrored(
  rules: Rules,
  method: string,
  upstream: { url: string; isRemote: boolean },
): Decision {
  const { pathname } = new URL(upstream.url);
  const shared = method === "GET" && !rules.mirror.direct && MIRRORED_BLOB.test(pathname);
  return {
    way: shared && mayShare(upstream.url) ? "p2p" : "direct",
    url: upstream.url,
    trust: (upstream.isRemote && rules.mirror.trust) || trustIn(rules, upstream.url),
  };
}

function rewrite(url: string, rule: UrlRule): string {
  if (!rule.useHttps && !rule.redirect) return url;
  const match = /^(https?):\/\/([^/?#]*)(.*)$/is.exec(url);
  if (!match) return url;
  const [, scheme, host, rest] = match as unknown as [string, string, string, string];
  return `${rule.useHttps ? "https" : scheme.toLowerCase()}://${rule.redirect || host}${rest}`;
}

/**
 * Whether everybody gets the same bytes from this URL. A generous `regx` must not send a manifest, a
 * list of tags or a token by p2p: these change, or are for one client only.
 */
function mayShare(url: string): boolean {
  if (blobDigest(url)) return true;
  const { pathname, searchParams } = new URL(url);
  if (REGISTRY_API.test(pathname)) return false;
  return !(searchParams.has("service") || searchParams.has("scope") || /\/token$/.test(pathname));
}

/** The host's own hijack rule says how to trust it, by whatever way a request came. */
function trustIn(rules: Rules, url: string): TlsTrust | undefined {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "https:") return undefined;
  return hijackRuleFor(rules, `${hostname}:${port || 443}`)?.trust;
}
