import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { type Digest, parseDigest } from "../../protocol/digest.ts";
import { durationSchema } from "../../protocol/duration.ts";
import { headersFromWire } from "../../protocol/wire_headers.ts";
import { UsageError } from "../../runtime/command_line.ts";
import { isDirectory } from "../../runtime/files.ts";
import type { TlsTrust } from "../../runtime/tls_trust.ts";
import type { DfgetFlags } from "./flags.ts";
import { parseFlag } from "./settings.ts";

/** What the user wants downloaded, checked. */
export interface DownloadRequest {
  url: string;
  /** Absolute path of the output file; meaningless with {@link toStdout}. */
  output: string;
  toStdout: boolean;
  headers: Record<string, string>;
  tls: TlsTrust;
  md5: string | undefined;
  identifier: string | undefined;
  digest: Digest | undefined;
  /** Milliseconds that it may take; 0: any. */
  timeoutMs: number;
  pattern: "p2p" | "cdn" | "source";
  backToSource: boolean;
  dfdaemon: boolean;
  /** Asked for, or not forbidden. */
  showBar: boolean | undefined;
}

/**
 * Reads and checks the flags that say what to download.
 *
 * @throws {UsageError} naming the flag
 */
export async function readRequest(flags: DfgetFlags): Promise<DownloadRequest> {
  const { url } = flags;
  if (!url) throw new UsageError("no URL: give one with --url");
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new UsageError(`invalid value "${url}" for --url: expected an http or https URL`);
  }
  if (flags.md5 && flags.identifier)
    throw new UsageError("--md5 and --identifier exclude each other");
  if (flags.md5 && !/^[0-9a-f]{32}$/i.test(flags.md5)) {
    throw new UsageError(`invalid value "${flags.md5}" for --md5: expected 32 hex digits`);
  }
  if (flags.showbar && flags.console)
    throw new UsageError("--showbar and --console exclude each other");
  if (flags.clientqueue && !/^\d{1,4}$/.test(flags.clientqueue)) {
    throw new UsageError(
      `invalid value "${flags.clientqueue}" for --clientqueue: expected a number`,
    );
  }
  const digest = flags.digest ? parseDigest(flags.digest) : undefined;
  if (flags.digest && !digest) {
    throw new UsageError(
      `invalid value "${flags.digest}" for --digest: expected sha256:<64 hex digits>`,
    );
  }
  const toStdout = flags.output === "-";
  const name = flags.output || decodeBase(url);
  if (!name) throw new UsageError("the URL names no file: say with --output where to put it");
  if (!toStdout && (await isDirectory(name))) {
    throw new UsageError(`--output ${name} is a directory: say which file in it`);
  }
  return {
    url,
    output: toStdout ? name : fromHere(name),
    toStdout,
    headers: headersFromWire(flags.header ?? []),
    tls: { insecure: flags.insecure, ca: await readAuthorities(flags.cacerts ?? []) },
    md5: flags.md5?.toLowerCase(),
    identifier: flags.identifier,
    digest,
    timeoutMs: parseFlag("--timeout", durationSchema, flags.timeout) ?? 0,
    pattern: (flags.pattern as DownloadRequest["pattern"] | undefined) ?? "p2p",
    backToSource: !flags.notbs,
    dfdaemon: flags.dfdaemon ?? false,
    showBar: flags.console ? false : flags.showbar,
  };
}

/** @throws {UsageError} where this shell's directory has been deleted */
function fromHere(name: string): string {
  try {
    return resolve(name);
  } catch {
    throw new UsageError(
      "the working directory has been deleted: change to another, or give --output an absolute path",
    );
  }
}

/** The last part of the URL's path, as wget takes it. */
function decodeBase(url: string): string {
  const base = basename(new URL(url).pathname);
  try {
    return decodeURIComponent(base).replaceAll("/", "_");
  } catch {
    return base;
  }
}

async function readAuthorities(paths: readonly string[]): Promise<string[] | undefined> {
  if (paths.length === 0) return undefined;
  return Promise.all(
    paths.map((path) =>
      readFile(path, "utf8").catch((error: Error) => {
        throw new UsageError(`--cacerts ${path}: ${error.message}`);
      }),
    ),
  );
}
