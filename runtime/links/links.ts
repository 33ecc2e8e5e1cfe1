import { ConfigError } from "../config_error.ts";
import type { Logger } from "../logger.ts";
import { type WatchedFiles, watchFiles } from "../watch_files.ts";
import { MutualTls } from "./mutual_tls.ts";
import type { LinkSettings } from "./settings.ts";
import { SharedSecret } from "./shared_secret.ts";

/**
 * How our own programs prove to each other that they belong together: servers refuse whoever does not, and
 * clients show what they have, and look whom they speak to.
 */
export type Proof = MutualTls | SharedSecret;

/** A {@link Proof}, kept in step with its files. */
export interface Links {
  readonly proof: Proof;
  /**
   * Reads the files again, at once.
   *
   * @throws {ConfigError} where they cannot be used: what was read before stays
   */
  reread(): Promise<void>;
  /** Stops looking at the files. */
  close(): void;
}

/**
 * Reads what a configuration says of it, and again whenever the files change; `undefined` where it says
 * nothing.
 *
 * @param log hears of files that were read again, and of those who were refused
 * @param lookMs see {@link watchFiles}
 * @throws {ConfigError} naming key and file of what cannot be used
 */
export async function openLinks(
  settings: LinkSettings | undefined,
  log: Logger,
  lookMs?: number,
): Promise<Links | undefined> {
  const proof = await openProof(settings, log);
  if (!proof) return undefined;
  const watch: WatchedFiles = watchFiles(
    () => proof.files,
    async () => {
      const what = proof.kind === "tls" ? "tls certificates" : "secretFile";
      try {
        await proof.reread();
        log.info("{what} read again", { what });
      } catch (error) {
        const reason = (error as Error).message;
        log.error("{what} not taken, the old one stays: {reason}", { what, reason });
      }
    },
    lookMs,
  );
  return { proof, reread: () => proof.reread(), close: () => watch.close() };
}

/** Whether a configuration's files can be used; @throws {ConfigError} where not. */
export async function checkLinks(settings: LinkSettings | undefined, log: Logger): Promise<void> {
  await openProof(settings, log);
}

async function openProof(
  settings: LinkSettings | undefined,
  log: Logger,
): Promise<Proof | undefined> {
  const { tls, secretFile } = settings ?? {};
  if (tls && secretFile) {
    throw new ConfigError("tls and secretFile exclude each other: with tls no secret is needed");
  }
  if (tls) return MutualTls.open(tls, log);
  return secretFile ? SharedSecret.open(secretFile, log) : undefined;
}
