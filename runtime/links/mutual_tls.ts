import { X509Certificate } from "node:crypto";
import type https from "node:https";
import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext, type SecureContext } from "node:tls";
import {
  CertificateError,
  checkKeyPair,
  expiryOf,
  isSignedBy,
  type KeyPair,
  splitPem,
} from "../certificates.ts";
import { ConfigError } from "../config_error.ts";
import { readNamedFile } from "../config_file.ts";
import type { Logger } from "../logger.ts";
import { TlsSessions } from "../tls_sessions.ts";
import { explainTlsError } from "./explain_tls_error.ts";
import { Refusals } from "./refusals.ts";
import type { TlsSettings } from "./settings.ts";

/** What a program proves itself by, and by what it recognizes others. */
interface Material extends KeyPair {
  /** PEM, one certificate each. */
  ca: string[];
}

/** Extended key usages (RFC 5280 §4.2.1.12): every program of ours both asks and is asked. */
const USAGES = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" };

/** TLS in which both sides show a certificate of one authority. */
export class MutualTls {
  readonly kind = "tls";
  readonly #settings: TlsSettings;
  readonly #log: Logger;
  #material: Material;
  #context: SecureContext;
  readonly #onRenewed = new Set<() => void>();
  /** What clients connect by. */
  readonly sessions = new TlsSessions();
  readonly #refusals: Refusals;

  private constructor(settings: TlsSettings, material: Material, log: Logger) {
    this.#settings = settings;
    this.#log = log;
    this.#refusals = new Refusals(log);
    this.#material = material;
    this.#context = contextOf(material);
    this.#warnOfExpiry();
  }

  /** @throws {ConfigError} naming key and file of what is missing or does not fit */
  static async open(settings: TlsSettings, log: Logger): Promise<MutualTls> {
    return new MutualTls(settings, await load(settings), log);
  }

  get files(): string[] {
    const { cert, key, ca } = this.#settings;
    return [cert, key, ca];
  }

  /** What is in use, by the keys of the configuration that name it. */
  get certificates(): { "tls.cert": string; "tls.ca": string } {
    return { "tls.cert": this.#material.cert, "tls.ca": this.#material.ca.join("\n") };
  }

  /** What a server shows and asks for. */
  get serverOptions(): https.ServerOptions {
    return {
      ...this.#material,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
    };
  }

  /** What a client shows, and by what it recognizes the server of that name or address. */
  clientOptions(host: string) {
    const byName = isIP(host) === 0;
    return {
      secureContext: this.#context,
      // Those that are known by an address were named by the supernode, or by who runs this program.
      checkServerIdentity:
        byName && this.#settings.verifyHostname ? checkServerIdentity : () => undefined,
      ...(byName ? { servername: host } : {}),
    };
  }

  /** Calls back when other certificates are in use; the answer ends that. */
  onRenewed(listener: () => void): () => void {
    this.#onRenewed.add(listener);
    return () => this.#onRenewed.delete(listener);
  }

  /**
   * Reads the files again. Connections that stand go on.
   *
   * @throws {ConfigError} where they cannot be used: the old ones stay
   */
  async reread(): Promise<void> {
    const material = await load(this.#settings);
    if (JSON.stringify(material) === JSON.stringify(this.#material)) return;
    this.#material = material;
    this.#context = contextOf(material);
    this.sessions.clear();
    this.#warnOfExpiry();
    for (const listener of this.#onRenewed) listener();
  }

  /** A client's handshake failed. */
  refused(address: string | undefined, error: Error): void {
    // Somebody looked whether the port is open, or did not like what we showed and says so himself.
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET") return;
    this.#refusals.say(address, explainTlsError(error), performance.now());
  }

  #warnOfExpiry(): void {
    for (const [key, pem] of Object.entries(this.certificates)) {
      if (expiryOf(pem) > Date.now()) continue;
      this.#log.warn("{key} has expired: the other programs will not accept it", { key });
    }
  }
}

function contextOf(material: Material): SecureContext {
  return createSecureContext({ ...material, minVersion: "TLSv1.3" });
}

async function load(settings: TlsSettings): Promise<Material> {
  const [cert, key, caText] = await Promise.all([
    readNamedFile("tls.cert", settings.cert),
    readNamedFile("tls.key", settings.key),
    readNamedFile("tls.ca", settings.ca),
  ]);
  const named = `tls.cert: ${settings.cert}`;
  try {
    checkKeyPair({ cert, key });
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new ConfigError(`${named} with tls.key: ${settings.key}: ${error.message}`);
  }
  const ca = splitPem(caText);
  if (ca.length === 0) throw new ConfigError(`tls.ca: ${settings.ca}: no certificate in PEM form`);
  let authorities: X509Certificate[];
  try {
    authorities = ca.map((pem) => new X509Certificate(pem));
  } catch (error) {
    throw new ConfigError(`tls.ca: ${settings.ca}: unreadable: ${(error as Error).message}`);
  }
  const chain = splitPem(cert).map((pem) => new X509Certificate(pem));
  if (!leadsTo(chain, authorities)) {
    throw new ConfigError(`${named}: no authority in tls.ca: ${settings.ca} has signed it`);
  }
  // Deno tells the key's plain usages here, by name: there only the handshake finds out.
  const usages = (chain[0]!.keyUsage ?? []).filter((usage) => /^\d+(\.\d+)+$/.test(usage));
  for (const [usage, id] of Object.entries(USAGES)) {
    if (usages.length > 0 && !usages.includes(id)) {
      throw new ConfigError(
        `${named}: its extended key usage lacks ${usage}: programs both ask and are asked, which takes serverAuth and clientAuth`,
      );
    }
  }
  return { cert, key, ca };
}

/** Whether the first of the chain goes back, by way of the others, to one of these authorities. */
function leadsTo(
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): boolean {
  const signedBy = (one: X509Certificate) => (other: X509Certificate) => isSignedBy(one, other);
  let [at] = chain;
  for (let steps = 0; at && steps <= chain.length; steps++) {
    if (authorities.some(signedBy(at))) return true;
    at = chain.find(signedBy(at));
  }
  return false;
}
