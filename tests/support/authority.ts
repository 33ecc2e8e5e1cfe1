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
  #leaves = 0;

  private constructor(directory: string, files: CertificateFiles) {
    this.directory = directory;
    this.files = files;
  }

  static async create(scratch: Scratch, name: string): Promise<Authority> {
    const pair = await createAuthority({ commonName: name, days: 2, nowMs: Date.now() });
    const secrets = await scratch.directory("authorities", name);
    const files = await write(secrets, "authority", pair);
    const trust = await scratch.directory("authorities", name, "trust");
    await writeFile(join(trust, "ca.crt"), pair.cert);
    return new Authority(trust, files);
  }

  /** Signs a server certificate for these names and addresses. */
  async leaf(...names: string[]): Promise<CertificateFiles> {
    const pair = await mintLeaf(this.files.pair, { names, days: 1, nowMs: Date.now() });
    this.#leaves += 1;
    return write(join(this.directory, ".."), `leaf${this.#leaves}`, pair);
  }
}

async function write(directory: string, name: string, pair: KeyPair): Promise<CertificateFiles> {
  const cert = join(directory, `${name}.pem`);
  const key = join(directory, `${name}-key.pem`);
  await writeFile(cert, pair.cert);
  await writeFile(key, pair.key, { mode: 0o600 });
  return { cert, key, pair };
}
