import { readFileSync } from "node:fs";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { splitPem } from "./certificates.ts";

/** Where the common distributions keep the authorities that the host trusts. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
  "/etc/pki/tls/certs/ca-bundle.crt", // older RHEL
  "/etc/ssl/ca-bundle.pem", // SUSE
  "/etc/ssl/cert.pem", // Alpine, the BSDs
];

let context: SecureContext | undefined;

/**
 * Trust in the authorities of the host (`SSL_CERT_FILE`, or the distribution's bundle), as Go's
 * programs have it: a company's own authority is installed there, while Node knows only the public
 * ones it was built with. Parsed once, for that takes tens of milliseconds.
 */
export function systemTrust(): SecureContext {
  context ??= createSecureContext({ ca: systemAuthorities(process.env) });
  return context;
}

/** Has the host's authorities read again when they are needed next. */
export function rereadSystemTrust(): void {
  context = undefined;
}

/** The PEM certificates of the host's bundle; the runtime's own where the host has none. */
export function systemAuthorities(env: NodeJS.ProcessEnv): string[] {
  const extra = env.NODE_EXTRA_CA_CERTS ? readBundle(env.NODE_EXTRA_CA_CERTS) : [];
  for (const path of env.SSL_CERT_FILE ? [env.SSL_CERT_FILE] : BUNDLES) {
    const bundle = readBundle(path);
    if (bundle.length > 0) return [...bundle, ...extra];
  }
  return [...rootCertificates, ...extra];
}

function readBundle(path: string): string[] {
  try {
    return splitPem(readFileSync(path, "utf8"));
  } catch {
    return [];
  }
}
