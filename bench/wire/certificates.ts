import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createAuthority, mintLeaf } from "../../runtime/certificates.ts";

/** A certificate and its key, as files. */
export interface PemFiles {
  cert: string;
  key: string;
}

/** An authority of one benchmark's own. */
export interface Authority extends PemFiles {
  /** Directory that holds its certificate as `ca.crt`, as container clients want it. */
  trust: string;
  pem: string;
  /** A server's certificate for these names and addresses. */
  leaf(...names: string[]): Promise<PemFiles>;
}

export async function createFileAuthority(directory: string, name: string): Promise<Authority> {
  const nowMs = Date.now();
  const home = join(directory, name);
  const trust = join(home, "trust");
  await mkdir(trust, { recursive: true });
  const pair = await createAuthority({ commonName: name, days: 2, nowMs });
  await writeFile(join(trust, "ca.crt"), pair.cert);
  const files = async (label: string, { cert, key }: PemFiles): Promise<PemFiles> => {
    const paths = { cert: join(home, `${label}.pem`), key: join(home, `${label}-key.pem`) };
    await writeFile(paths.cert, cert);
    await writeFile(paths.key, key, { mode: 0o600 });
    return paths;
  };
  return {
    ...(await files("authority", pair)),
    trust,
    pem: pair.cert,
    leaf: async (...names) => files(names[0]!, await mintLeaf(pair, { names, days: 1, nowMs })),
  };
}
