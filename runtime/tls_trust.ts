import type { ConnectionOptions } from "node:tls";
import { systemTrust } from "./system_trust.ts";

/** How to trust the other side. */
export interface TlsTrust {
  /** PEM certificates that replace the system's authorities. */
  ca?: readonly string[] | undefined;
  /** Accept any certificate. */
  insecure?: boolean | undefined;
}

/**
 * What a client says of itself, and whom it believes.
 *
 * @param name of the server, or its address
 */
export function tlsOptions(name: string, trust: TlsTrust | undefined): ConnectionOptions {
  return {
    // An address is no server name (RFC 6066 §3).
    ...(/^[\d.]+$|:/.test(name) ? {} : { servername: name }),
    ...(trust?.ca && trust.ca.length > 0
      ? { ca: [...trust.ca] }
      : { secureContext: systemTrust() }),
    ...(trust?.insecure ? { rejectUnauthorized: false } : {}),
  };
}
