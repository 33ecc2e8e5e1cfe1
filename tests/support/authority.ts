import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createAuthority, type KeyPair, mintLeaf } from "../../runtime/certificates.ts";
import type { Scratch } from "./scratch.ts";

/** A certificate and its key as files. */
export interface CertificateFiles {
  cert: string;
  key: string;
  pair: KeyPair;
}

/** A certificate authority of the test's own. */
export class Authority {
  /** Its own certificate, as files. */
  readonly files: CertificateFiles;
  /** A directory that holds its certificate as `ca.crt`, as container clients want it. */
  readonly directory: string;
  readonly #days: number;
  #leaves = 0;

  private constructor(directory: string, files: CertificateFiles, days: number) {
    this.directory = directory;
    this.files = files;
    this.#days = days;
  }

  /** @param days that it is good for; what it signs is so for half of them */
  static async create(scratch: Scratch, name: string, days = 2): Promise<Authority> {
    const pair = await createAuthority({ commonName: name, days, nowMs: Date.now() });
    const secrets = await scratch.directory("authorities", name);
    const files = await write(secrets, "authority", pair);
    const trust = await scratch.directory("authorities", name, "trust");
    await writeFile(join(trust, "ca.crt"), pair.cert);
    return new Authority(trust, files, days);
  }

  /** Signs a server certificate for these names and addresses. */
  async leaf(...names: string[]): Promise<CertificateFiles> {
    const days = this.#days / 2;
    const pair = await mintLeaf(this.files.pair, { names, days, nowMs: Date.now() });
    this.#leaves += 1;
    return write(join(this.directory, ".."), `leaf${this.#leaves}`, pair);
  }

  /** Puts another certificate in a leaf's place, which is good for so many days. */
  async renew({ cert, key }: CertificateFiles, days: number, ...names: string[]): Promise<void> {
    const pair = await mintLeaf(this.files.pair, { names, days, nowMs: Date.now() });
    await writeFile(key, pair.key);
    await writeFile(cert, pair.cert);
  }

  /** Signs a certificate for one of our programs: it asks by it, and is asked. */
  async member(...names: string[]): Promise<CertificateFiles> {
    const options = { names, days: 1, nowMs: Date.now(), client: true };
    const pair = await mintLeaf(this.files.pair, options);
    this.#leaves += 1;
    return write(join(this.directory, ".."), `member${this.#leaves}`, pair);
  }
}

async function write(directory: string, name: string, pair: KeyPair): Promise<CertificateFiles> {
  const cert = join(directory, `${name}.pem`);
  const key = join(directory, `${name}-key.pem`);
  await writeFile(cert, pair.cert);
  await writeFile(key, pair.key, { mode: 0o600 });
  return { cert, key, pair };
}
