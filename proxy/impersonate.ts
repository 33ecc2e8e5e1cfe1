import { createSecureContext, type SecureContext } from "node:tls";
import { checkKeyPair, isAuthority, type KeyPair, mintLeaf } from "../runtime/certificates.ts";

const LEAF_DAYS = 30;
const DAY_MS = 24 * 60 * 60 * 1000;
/** A minted certificate is replaced when this much of its life is left. */
const RENEW_MS = 10 * DAY_MS;
/** A registry's clients name few hosts; this bounds what a hostile one could make us keep. */
const MAX_HOSTS = 1000;

/** Gives the TLS side of a hijacked connection. */
export interface Impersonator {
  /** What to show to a client that wants to speak to `host` (a name or an address, no brackets). */
  contextFor(host: string): Promise<SecureContext>;
}

export interface ImpersonatorOptions {
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Minted certificates kept at most. Default: 1000. */
  maxHosts?: number;
}

interface Minted {
  context: Promise<SecureContext>;
  renewAtMs: number;
}

/**
 * Impersonates hosts by the configured certificate: a server certificate is shown as it is; by an
 * authority one is minted for each host, and kept until it is about to expire (protocol §5).
 *
 * @throws {CertificateError} when certificate and key do not belong together or cannot be read
 */
export function createImpersonator(
  pair: KeyPair,
  { now = Date.now, maxHosts = MAX_HOSTS }: ImpersonatorOptions = {},
): Impersonator {
  checkKeyPair(pair);
  if (!isAuthority(pair.cert)) {
    const context = Promise.resolve(createSecureContext(pair));
    return { contextFor: () => context };
  }
  // In the order of last use, so that the first is the one to forget.
  const minted = new Map<string, Minted>();
  return {
    contextFor(host) {
      const name = host.toLowerCase();
      const known = minted.get(name);
      minted.delete(name);
      if (known && known.renewAtMs > now()) {
        minted.set(name, known);
        return known.context;
      }
      const context = mint(pair, name, now());
      minted.set(name, { context, renewAtMs: now() + LEAF_DAYS * DAY_MS - RENEW_MS });
      // The next client tries again.
      context.catch(() => minted.delete(name));
      for (const oldest of minted.keys()) {
        if (minted.size <= maxHosts) break;
        minted.delete(oldest);
      }
      return context;
    },
  };
}

async function mint(authority: KeyPair, host: string, nowMs: number): Promise<SecureContext> {
  return createSecureContext(await mintLeaf(authority, { names: [host], days: LEAF_DAYS, nowMs }));
}
