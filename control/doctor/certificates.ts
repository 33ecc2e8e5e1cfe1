import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { hostname } from "node:os";
import {
  checkKeyPair,
  expiryOf,
  isAuthority,
  isSignedBy,
  splitPem,
} from "../../runtime/certificates.ts";
import { isMissing } from "../../runtime/config_file.ts";
import { systemAuthorities } from "../../runtime/system_trust.ts";
import { showTime } from "../amounts.ts";
import { plainHost } from "../setup/plan.ts";
import type { Check, Finding } from "./check.ts";
import { engineAuthorities } from "./engine_trust.ts";
import { isInstalled } from "./installed.ts";
import { couldNotSee } from "./run_checks.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** As check_dragonfly warns by default. */
const SOON_DAYS = 14;

const UNTRUSTED = "no engine here trusts it: not the host, nor a certs.d of theirs";

/** The certificates that dfdaemon shows to engines: its own, and the one for the registries it answers for. */
export const certificates: Check = {
  name: "certificate",
  patienceMs: 5000,
  async run(node) {
    const { certpem, keypem, hijack_https: hijack } = node.config;
    const trusted = [
      ...systemAuthorities(process.env),
      ...(await engineAuthorities(node.host)),
    ].flatMap(parse);
    const own = new URL(node.dfdaemon).hostname.replace(/^\[|\]$/g, "");
    const findings: Finding[] = [];
    if (certpem) {
      const names = [own, "127.0.0.1", "localhost", hostname()];
      findings.push(await look("certpem", certpem, keypem, { names, any: true, trusted }));
    }
    if (hijack) {
      const names = hijack.hosts.flatMap(({ regx }) => plainHost(regx) ?? []);
      const hosts = names.map((name) => name.replace(/:\d+$/, ""));
      const looked = { names: hosts, any: false, trusted };
      const finding = await look("hijack_https.cert", hijack.cert, hijack.key, looked);
      // Only who uses dfdaemon as a proxy sees it: those who use a mirror do not.
      const matters = !isTrustAlone(finding) || (await isInstalled(node.host, "dockerd"));
      findings.push(matters ? finding : { ...finding, state: "warn" });
    }
    if (findings.length > 0) return findings;
    return [{ name: "certificate", state: "ok", says: "none: dfdaemon is a mirror, in the clear" }];
  },
};

function isTrustAlone({ says }: Finding): boolean {
  return says === UNTRUSTED;
}

interface Looked {
  names: readonly string[];
  /** Whether one of the names is enough. */
  any: boolean;
  trusted: readonly X509Certificate[];
}

async function look(key: string, cert: string, keyFile: string, looked: Looked): Promise<Finding> {
  const name = `certificate ${key}`;
  let chain: string;
  let privateKey: string;
  try {
    chain = await readFile(cert, "utf8");
    privateKey = await readFile(keyFile, "utf8");
  } catch (error) {
    if (!isMissing(error)) return { name, ...couldNotSee(error as Error) };
    return {
      ...{ name, state: "fail", says: (error as Error).message },
      todo: `put the file there, or mend ${key} in dfdaemon.yml`,
    };
  }
  return { name, ...judgeCertificate(chain, privateKey, looked, Date.now()) };
}

/** What is to be said of a certificate; the worst first. Pure. */
export function judgeCertificate(
  pem: string,
  key: string,
  { names, any, trusted }: Looked,
  nowMs: number,
): Omit<Finding, "name"> {
  try {
    checkKeyPair({ cert: pem, key });
  } catch (error) {
    return {
      ...{ state: "fail", says: (error as Error).message },
      todo: "install certificate and key that were made together",
    };
  }
  const chain = splitPem(pem).flatMap(parse);
  const days = (expiryOf(pem) - nowMs) / DAY_MS;
  const renew = "renew it, then: systemctl reload dragonfly-dfdaemon";
  if (days <= 0)
    return { state: "fail", says: `expired ${showTime(-days * DAY_MS)} ago`, todo: renew };
  if (chain.some(({ validFrom }) => Date.parse(validFrom) > nowMs))
    return {
      ...{ state: "fail", says: "not valid yet" },
      todo: "is this host's clock right? (timedatectl)",
    };
  const gap = chain.findIndex(
    (one, at) => at + 1 < chain.length && !isSignedBy(one, chain[at + 1]!),
  );
  if (gap >= 0)
    return {
      ...{ state: "fail", says: `the chain breaks: number ${gap + 1} is not signed by the next` },
      todo: "put them in order: the server's own first, then whoever signed each",
    };
  const leaf = chain[0]!;
  const missing = isAuthority(pem) ? [] : names.filter((name) => !covers(leaf, name));
  if (missing.length > 0 && !(any && missing.length < names.length))
    return {
      ...{ state: "fail", says: `is not for ${missing.join(", ")}` },
      todo: "have one made with these names, or use an authority (dfdaemon gen-ca)",
    };
  const isTrusted = chain.some((one) =>
    trusted.some((other) => other.raw.equals(one.raw) || isSignedBy(one, other)),
  );
  if (!isTrusted)
    return {
      ...{ state: "fail", says: UNTRUSTED },
      todo: "run dfctl setup for the engine, or add its authority to the host's (update-ca-certificates)",
    };
  if (days < SOON_DAYS)
    return { state: "warn", says: `expires in ${Math.floor(days)} days`, todo: renew };
  return {
    state: "ok",
    says: `names, chain, key and trust are right; good for ${Math.floor(days)} days`,
  };
}

function covers(certificate: X509Certificate, name: string): boolean {
  return (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined;
}

/** A bundle may hold one that cannot be read. */
function parse(pem: string): X509Certificate[] {
  try {
    return [new X509Certificate(pem)];
  } catch {
    return [];
  }
}
