import { access, chmod, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { parseDuration } from "../protocol/duration.ts";
import { createAuthority } from "../runtime/certificates.ts";
import { UsageError } from "../runtime/command_line.ts";
import { makeDirectory } from "../runtime/files.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** Flags of `dfdaemon gen-ca`, as typed. */
export interface GenCaFlags {
  certOutput: string;
  keyOutput: string;
  commonName?: string;
  expireDuration: string;
  overwrite?: boolean;
}

/**
 * Makes an authority for `hijack_https`: certificate and key as PEM files, the key for its owner only.
 *
 * @returns what is to be said of them
 * @throws {UsageError} for files that are there already, or a duration that cannot be used
 */
export async function generateAuthority(flags: GenCaFlags): Promise<string> {
  const ms = parseDuration(flags.expireDuration);
  if (!ms) {
    throw new UsageError(
      `--expire-duration: expected a duration such as 87600h, not ${flags.expireDuration}`,
    );
  }
  const { certOutput, keyOutput } = flags;
  for (const path of [certOutput, keyOutput]) {
    if (!flags.overwrite && (await exists(path))) {
      throw new UsageError(`${path} exists; give --overwrite to replace it`);
    }
  }
  const authority = await createAuthority({
    commonName: flags.commonName || hostname(),
    days: ms / DAY_MS,
    nowMs: Date.now(),
  });
  await writePem(keyOutput, authority.key, 0o600);
  await writePem(certOutput, authority.cert, 0o644);
  return `${certOutput}: the certificate, for hijack_https.cert and for engines to trust
${keyOutput}: its key, which the user of dfdaemon alone must be able to read (chown)
`;
}

async function writePem(path: string, pem: string, mode: number): Promise<void> {
  try {
    await makeDirectory(dirname(path));
    await writeFile(path, `${pem.trim()}\n`, { mode });
    // A file that is overwritten keeps its mode otherwise.
    await chmod(path, mode);
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${(error as Error).message}`);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
