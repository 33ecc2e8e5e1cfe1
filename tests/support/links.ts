import { randomBytes } from "node:crypto";
import { copyFile, mkdtemp, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import type { Authority, CertificateFiles } from "./authority.ts";
import type { Scratch } from "./scratch.ts";

/** Certificates of one authority for our programs, a `tls:` block each. */
export class Members {
  readonly #scratch: Scratch;
  readonly #authority: Authority;
  readonly #blocks: { cert: string; key: string; ca: string }[] = [];

  constructor(scratch: Scratch, authority: Authority) {
    this.#scratch = scratch;
    this.#authority = authority;
  }

  /** The configuration of another program. */
  readonly keys = async (): Promise<{ tls: { cert: string; key: string; ca: string } }> => {
    const dir = await mkdtemp(join(this.#scratch.dir, "member-"));
    const tls = { cert: join(dir, "cert.pem"), key: join(dir, "key.pem"), ca: join(dir, "ca.pem") };
    this.#blocks.push(tls);
    await copyFile(this.#authority.files.cert, tls.ca);
    await this.#renew(tls);
    return { tls };
  };

  /** Gives every program another certificate, in the place of the old one. */
  async renew(): Promise<void> {
    for (const block of this.#blocks) await this.#renew(block);
  }

  async #renew(block: { cert: string; key: string }): Promise<void> {
    const files = await this.#authority.member("node.test");
    for (const part of ["cert", "key"] as const) {
      const next = `${block[part]}.next`;
      await copyFile(files[part], next);
      await rename(next, block[part]);
    }
  }
}

/** A secret in files of its own, a `secretFile:` each. */
export function sharedSecret(scratch: Scratch) {
  const secret = randomBytes(32).toString("hex");
  const keys = async () => {
    const path = join(await mkdtemp(join(scratch.dir, "secret-")), "secret");
    await writeFile(path, `${secret}\n`, { mode: 0o600 });
    return { secretFile: path };
  };
  return { secret, keys };
}

/**
 * The serial number of the certificate that a server shows to who has this one of its own.
 *
 * @throws {Error} where the server refuses it
 */
export function shownSerial(
  place: { host: string; port: number },
  member?: CertificateFiles,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const pair = member ? { cert: member.pair.cert, key: member.pair.key } : {};
    const socket = connect({ ...place, ...pair, rejectUnauthorized: false });
    // In TLS 1.3 the client hears of its refusal only after it believes to be connected.
    socket.on("secureConnect", () => socket.write("GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n"));
    socket.on("data", () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("it hung up")));
  });
}
