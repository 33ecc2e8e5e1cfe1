import { createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type * as x509 from "@peculiar/x509";

/** A certificate chain and its private key, PEM both. */
export interface KeyPair {
  cert: string;
  key: string;
}

/** A certificate or key that cannot be used; the message says why. */
export class CertificateError extends Error {
  override name = "CertificateError";
}

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 24 * 60 * 60 * 1000;

/** The certificates in a PEM text, one string each. */
export function splitPem(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
}

/**
 * Checks that a certificate and a key belong together.
 *
 * @throws {CertificateError} when they do not, or when either cannot be read
 */
export function checkKeyPair(pair: KeyPair): void {
  const first = splitPem(pair.cert)[0];
  if (first === undefined) throw new CertificateError("no certificate in PEM form");
  let matches: boolean;
  try {
    matches = new X509Certificate(first).checkPrivateKey(createPrivateKey(pair.key));
  } catch (error) {
    throw new CertificateError(`unreadable certificate or key: ${(error as Error).message}`);
  }
  if (!matches) throw new CertificateError("the key does not belong to the certificate");
}

/** Whether a certificate may sign others. */
export function isAuthority(certPem: string): boolean {
  return new X509Certificate(splitPem(certPem)[0] ?? certPem).ca;
}

/** When the first certificate of a chain to expire does: ms since the epoch. */
export function expiryOf(chainPem: string): number {
  return Math.min(...splitPem(chainPem).map((pem) => Date.parse(new X509Certificate(pem).validTo)));
}

/** Whether a certificate is signed by another. */
export function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

export interface AuthorityOptions {
  commonName: string;
  /** Days until it expires. */
  days: number;
  /** Present time, ms since the epoch. */
  nowMs: number;
}

/** Makes a certificate authority of its own: self-signed, able to sign leaves. */
export async function createAuthority(options: AuthorityOptions): Promise<KeyPair> {
  const lib = await loadX509();
  const keys = await webcrypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
  const cert = await lib.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${escapeName(options.commonName)}`,
    notBefore: new Date(options.nowMs - DAY_MS),
    notAfter: new Date(options.nowMs + options.days * DAY_MS),
    keys,
    signingAlgorithm: ECDSA,
    extensions: [
      new lib.BasicConstraintsExtension(true, undefined, true),
      new lib.KeyUsagesExtension(lib.KeyUsageFlags.keyCertSign | lib.KeyUsageFlags.cRLSign, true),
      await lib.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: cert.toString("pem"), key: await exportKey(lib, keys.privateKey) };
}

export interface LeafOptions {
  /** Host names and addresses the certificate is for; the first is its common name. */
  names: readonly string[];
  days: number;
  nowMs: number;
  /** Also good to show to a server. */
  client?: boolean;
}

/**
 * Mints a server certificate signed by `authority`; the chain holds leaf and authority.
 *
 * @throws {CertificateError} when the authority's key cannot be used
 */
export async function mintLeaf(authority: KeyPair, options: LeafOptions): Promise<KeyPair> {
  const lib = await loadX509();
  const issuer = new lib.X509Certificate(splitPem(authority.cert)[0] ?? authority.cert);
  const { key: signingKey, algorithm } = await importSigningKey(authority.key);
  const keys = await webcrypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
  // Never longer than the authority itself.
  const notAfter = Math.min(options.nowMs + options.days * DAY_MS, issuer.notAfter.getTime());
  const cert = await lib.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${escapeName((options.names[0] ?? "localhost").slice(0, 64))}`,
    issuer: issuer.subject,
    notBefore: new Date(options.nowMs - DAY_MS),
    notAfter: new Date(notAfter),
    signingKey,
    publicKey: keys.publicKey,
    signingAlgorithm: algorithm,
    extensions: [
      new lib.BasicConstraintsExtension(false, undefined, true),
      new lib.KeyUsagesExtension(lib.KeyUsageFlags.digitalSignature, true),
      new lib.ExtendedKeyUsageExtension([
        lib.ExtendedKeyUsage.serverAuth,
        ...(options.client ? [lib.ExtendedKeyUsage.clientAuth] : []),
      ]),
      new lib.SubjectAlternativeNameExtension(
        options.names.map((name) => ({
          type: isIP(name) ? ("ip" as const) : ("dns" as const),
          value: name,
        })),
      ),
      await lib.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return {
    cert: `${cert.toString("pem")}\n${authority.cert.trim()}\n`,
    key: await exportKey(lib, keys.privateKey),
  };
}

/** Loaded on first use: most processes never sign anything. */
async function loadX509(): Promise<typeof x509> {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

async function importSigningKey(pem: string) {
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new CertificateError(`unreadable key of the authority: ${(error as Error).message}`);
  }
  const der = key.export({ type: "pkcs8", format: "der" });
  const curves: Record<string, string> = {
    prime256v1: "P-256",
    secp384r1: "P-384",
    secp521r1: "P-521",
  };
  const curve = curves[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (key.asymmetricKeyType === "rsa") {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    return {
      key: await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]),
      algorithm,
    };
  }
  if (key.asymmetricKeyType === "ec" && curve) {
    const algorithm = { name: "ECDSA", namedCurve: curve, hash: "SHA-256" };
    return {
      key: await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]),
      algorithm,
    };
  }
  throw new CertificateError(
    `the authority's key is of a kind we cannot sign with (${key.asymmetricKeyType})`,
  );
}

async function exportKey(lib: typeof x509, key: webcrypto.CryptoKey): Promise<string> {
  return lib.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

function serial(): string {
  // Positive and at most 20 octets (RFC 5280 §4.1.2.2).
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x01;
  return Buffer.from(bytes).toString("hex");
}

/** Commas and the like would end a distinguished name's value. */
function escapeName(value: string): string {
  return value.replace(/[,+"\\<>;=#]/g, "\\$&");
}
